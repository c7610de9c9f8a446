"""Fetching URLs: what may be asked, what is followed, and what a server may answer. Real servers on this machine."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from serai.knowledge.addresses import why_forbidden
from serai.knowledge.fetching import Fetched, FetchLimits, UnfetchableError, UnreachableError, fetch

PUBLIC = "93.184.215.14"


@dataclass
class Website:
    """A server that answers the same bytes to everybody, and keeps what it was asked."""

    answer: bytes
    port: int = 0
    asked: list[str] = field(default_factory=list)
    stays_open: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(with_head.decode())
        writer.write(self.answer)
        await writer.drain()
        if self.stays_open:
            await self.done.wait()
        writer.close()

    def url(self, path: str = "/", *, host: str = "site.example") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def website(answer: bytes, *, stays_open: bool = False) -> AsyncIterator[Website]:
    site = Website(answer, stays_open=stays_open)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site
        site.done.set()


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(target: str) -> bytes:
    return http(b"", f"Location: {target}", status="302 Found")


def names(**known: str | Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Return a resolver that knows these names; underscores stand for dots."""
    table = {name.replace("_", "."): [found] if isinstance(found, str) else found for name, found in known.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in table:
            raise socket.gaierror("Name or service not known")
        return table[host]

    return resolve


HERE = names(site_example="127.0.0.1", other_example="127.0.0.1", secret_example="10.0.0.7")


async def get(url: str, **options: object) -> Fetched:
    given = {"allow_private": True, "resolve": HERE, **options}
    return await fetch(url, **given)  # type: ignore[arg-type]


async def refused(url: str, *, part: str, kind: type[UnfetchableError] = UnfetchableError, **options: object) -> None:
    with pytest.raises(UnfetchableError) as caught:
        await get(url, **options)
    assert part in caught.value.message
    assert type(caught.value) is kind


async def test_the_bytes_come_with_their_type_and_name():
    async with website(http(b"<p>hi", "Content-Type: text/html; charset=utf-8")) as site:
        fetched = await get(site.url("/a/b%20c.html?q=1#top"))
    assert fetched == Fetched(data=b"<p>hi", media_type="text/html", name="b c.html", charset="utf-8")
    head = site.asked[0].splitlines()
    assert head[0] == "GET /a/b%20c.html?q=1 HTTP/1.1"
    assert f"Host: site.example:{site.port}" in head


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename*=UTF-8''%E2%82%AC.txt", "€.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\windows\\\\x.ini"', "x.ini"),
        ("inline", "path.txt"),
        ("attachment; filename*0=a; filename*1*=%ff; filename*=utf-8''", "path.txt"),
    ],
)
async def test_a_name_that_the_server_tells_has_no_folders(header: str, name: str):
    async with website(http(b"x", f"Content-Disposition: {header}")) as site:
        assert (await get(site.url("/path.txt"))).name == name


async def test_signs_of_a_name_in_a_url_are_decoded_once():
    async with website(http(b"x")) as site:
        assert (await get(site.url("/100%2541%20done.txt"))).name == "100%41 done.txt"


async def test_credentials_in_a_url_are_neither_sent_nor_told():
    async with website(http(b"no", status="403 Forbidden")) as site:
        url = site.url().replace("http://", "http://ada:secret@")
        with pytest.raises(UnfetchableError, match="403 Forbidden") as caught:
            await get(url)
    assert "secret" not in caught.value.message
    assert "authorization" not in site.asked[0].lower()


async def test_redirects_are_followed_to_other_hosts():
    async with website(http(b"there")) as target, website(redirect(target.url("/x", host="other.example"))) as site:
        assert (await get(site.url())).data == b"there"
    assert f"Host: other.example:{target.port}" in target.asked[0]


async def test_a_redirect_may_be_relative_and_an_endless_one_ends():
    async with website(redirect("/again")) as site:
        await refused(site.url(), part="redirects again", limits=FetchLimits(redirects=3))
    assert [head.split()[1] for head in site.asked] == ["/", "/again", "/again", "/again"]


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("file:///etc/passwd", "only http and https"),
        ("http://[::ffff:169.254.169.254]/", "metadata"),
        ("http://nowhere.example/", "cannot be resolved"),
        ("gopher://site.example/", "only http and https"),
        ("http://xn--/", "is no URL"),
    ],
)
async def test_each_redirect_is_judged(target: str, part: str):
    async with website(redirect(target)) as site:
        resolve = names(site_example="127.0.0.1", **{"169.254.169.254": "169.254.169.254"})

        async def numeric(host: str, port: int) -> Sequence[str]:
            return [host] if host[0].isdigit() or ":" in host else await resolve(host, port)

        await refused(site.url(), part=part, resolve=numeric)


async def test_a_redirect_without_a_target_is_an_error():
    async with website(http(b"", status="301 Moved")) as site:
        await refused(site.url(), part="does not say where")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://127.0.0.1/", "this machine"),
        ("http://localhost/", "this machine"),
        ("http://2130706433/", "this machine"),
        ("http://0x7f000001/", "this machine"),
        ("http://127.1/", "this machine"),
        ("http://0177.0.0.1/", "no URL"),
        ("http://[::1]/", "this machine"),
        ("http://[::ffff:127.0.0.1]/", "this machine"),
        ("http://[64:ff9b::7f00:1]/", "this machine"),
        ("http://[fe80::1]/", "link-local"),
        ("http://0.0.0.0/", "unspecified"),
        ("http://[::]/", "unspecified"),
        ("http://10.1.2.3/", "private network"),
        ("http://169.254.169.254/", "metadata"),
        ("http://site.example:22/", "port 22"),
        ("http://site.example:0/", "port"),
        ("http://site.example:70000/", "port"),
        ("ftp://site.example/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("http:///x", "no host"),
        ("site.example", "only http and https"),
        ("\0", "no URL"),
        ("http://\ud800/", "no URL"),
    ],
)
async def test_what_may_not_be_asked_is_refused_with_the_reason(url: str, part: str):
    with pytest.raises(UnfetchableError) as caught:
        await fetch(url, allow_private=False)
    assert part in caught.value.message


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "fe80::1", "0.0.0.0", "64:ff9b:1:a9fe:a9:fe00:808:808"],
)
async def test_metadata_and_link_local_addresses_are_refused_where_private_ones_are_not(address: str):
    await refused("http://site.example/", part=address, resolve=names(site_example=address))


async def test_a_name_is_refused_when_any_of_its_addresses_is():
    resolve = names(site_example=[PUBLIC, "10.0.0.7"])
    await refused("http://site.example/", part="10.0.0.7", resolve=resolve, allow_private=False)


async def test_the_connection_goes_to_the_address_that_was_judged():
    """A name server that answers a public address first and a private one next is asked only once."""
    answers = [["127.0.0.1"], ["10.0.0.7"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async with website(http(b"judged")) as site:
        assert (await get(site.url(), resolve=resolve)).data == b"judged"
    assert answers == [["10.0.0.7"]]


async def test_the_next_address_of_a_name_is_tried_when_one_cannot_be_reached():
    async with website(http(b"second")) as site:
        resolve = names(site_example=["127.0.0.9", "127.0.0.1"])
        assert (await get(site.url(), resolve=resolve)).data == b"second"


async def test_a_host_that_cannot_be_reached_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await refused(f"http://site.example:{port}/", part="cannot be reached", kind=UnreachableError)


@pytest.mark.parametrize("status", ["404 Not Found", "204"])
async def test_an_answer_that_is_no_success_is_told(status: str):
    async with website(http(b"", status=status)) as site:
        if status == "204":
            assert (await get(site.url())).data == b""
        else:
            await refused(site.url(), part=status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, UnreachableError) for status in ("408 T", "429 T", "500 O", "502 B", "503 S", "504 G")),
        *((status, UnfetchableError) for status in ("400 B", "401 U", "403 F", "404 N", "410 G")),
    ],
)
async def test_only_what_may_pass_is_worth_another_attempt(status: str, kind: type[UnfetchableError]):
    async with website(http(b"", status=status)) as site:
        with pytest.raises(UnfetchableError) as caught:
            await get(site.url())
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("number", "kind"), [(socket.EAI_AGAIN, UnreachableError), (socket.EAI_NONAME, UnfetchableError)]
)
async def test_a_name_server_that_is_away_is_worth_another_attempt(number: int, kind: type[UnfetchableError]):
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(number, "no")

    with pytest.raises(UnfetchableError, match="cannot be resolved") as caught:
        await get("http://site.example/", resolve=resolve)
    assert type(caught.value) is kind


async def test_too_long_an_answer_is_refused_before_it_is_read_and_where_its_length_is_a_lie():
    limits = FetchLimits(size_bytes=1000)
    async with website(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", stays_open=True) as told:
        await refused(told.url(), part="more than 1,000 bytes", limits=limits)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001
    async with website(chunked, stays_open=True) as untold:
        await refused(untold.url(), part="more than 1,000 bytes", limits=limits)


async def test_a_packed_answer_is_unpacked_within_the_limit():
    packed = gzip.compress(b"x" * 1000)
    async with website(http(packed, "Content-Encoding: gzip")) as site:
        assert (await get(site.url())).data == b"x" * 1000
        await refused(site.url(), part="more than 999 bytes", limits=FetchLimits(size_bytes=999))
    async with website(http(packed[4:], "Content-Encoding: gzip")) as site:
        await refused(site.url(), part="broken gzip data")
    async with website(http(packed[:-9], "Content-Encoding: gzip")) as site:
        await refused(site.url(), part="break off", kind=UnreachableError)
    async with website(http(packed, "Content-Encoding: br")) as site:
        await refused(site.url(), part="'br'")


async def test_a_charset_that_makes_no_sense_is_none():
    header = "Content-Type: text/plain; charset*0=a; charset*1*=%ff; charset*=utf-8''"
    async with website(http(b"x", header)) as site:
        fetched = await get(site.url())
    assert (fetched.media_type, fetched.charset) == ("text/plain", None)


async def test_a_server_that_falls_silent_is_left_when_the_time_is_over():
    for begun in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):
        async with website(begun, stays_open=True) as site:
            await refused(site.url(), part="longer than 0.1 s", kind=UnreachableError, limits=FetchLimits(seconds=0.1))


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", http(b"x")[:-1], b""])
async def test_an_answer_that_is_no_http_or_breaks_off_is_an_error(answer: bytes):
    async with website(answer) as site:
        await refused(site.url(), part="broke off", kind=UnreachableError)


async def test_a_secure_connection_is_for_the_name_and_not_for_the_address():
    """The name is sent in the handshake; a server without a valid certificate is not trusted."""
    seen: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.sni_callback = lambda _socket, name, _context: seen.append(name)

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await refused(f"https://site.example:{port}/", part="cannot be reached", kind=UnreachableError)
    assert seen == ["site.example"]


async def test_a_server_that_speaks_no_tls_is_not_asked_again():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"", status="400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        await refused(f"https://site.example:{server.sockets[0].getsockname()[1]}/", part="cannot be reached")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_asked_however_they_are_written(address: str):
    assert why_forbidden(address, allow_private=False) is None


@pytest.mark.parametrize(
    "address",
    [
        "100.64.0.1",
        "100.100.100.200",
        "172.16.0.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "64:ff9b::a00:1",
        "64:ff9b:1:a00:0:100:808:808",
    ],
)
def test_all_other_addresses_may_not(address: str):
    assert why_forbidden(address, allow_private=False)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.0.1", "127.0.0.1", "::1", "fc00::1", "::ffff:10.0.0.1"])
def test_private_addresses_may_be_asked_where_that_is_allowed(address: str):
    assert why_forbidden(address, allow_private=True) is None
