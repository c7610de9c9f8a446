"""Who may call: the bearer key, and what a keyless server refuses from web pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from serai.errors import ConfigurationError
from serai.server.access import check_bind, check_key, is_loopback
from serai.settings import Settings
from tests.hosting import Wire, connected, make_os, serving


@pytest.fixture
async def keyed() -> AsyncIterator[Wire]:
    os = make_os(settings={"security_key": "a-long-key", "cors_origins": ("https://ui.example",)})
    async with serving(os.app) as url, connected(url) as wire:
        yield wire
        assert (await wire.ask("GET", "/health")).status == 200


@pytest.fixture
async def keyless() -> AsyncIterator[Wire]:
    os = make_os(settings={"allowed_hosts": ("serai.lan",), "cors_origins": ("http://localhost:3000",)})
    async with serving(os.app) as url, connected(url) as wire:
        yield wire
        assert (await wire.ask("GET", "/health")).status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/health/", "/ready", "/info", "/docs", "/redoc", "/openapi.json"])
async def test_open_paths_need_no_key(keyed: Wire, path: str):
    assert (await keyed.ask("GET", path)).status == 200


async def test_a_missing_key_is_401(keyed: Wire):
    answer = await keyed.ask("GET", "/config")
    assert (answer.status, answer.body) == (401, b'{"detail":"Authorization header required"}')
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic YTpi", "a-long-key-and-more", "Bearer a-long-ke"])
async def test_a_wrong_key_is_401(keyed: Wire, header: str):
    answer = await keyed.ask("GET", "/agents", headers={"Authorization": header})
    assert (answer.status, answer.body) == (401, b'{"detail":"Invalid authentication token"}')


@pytest.mark.parametrize("header", ["Bearer a-long-key", "bearer a-long-key", "a-long-key"])
async def test_the_key_is_taken_with_or_without_its_scheme(keyed: Wire, header: str):
    assert (await keyed.ask("GET", "/agents", headers={"Authorization": header})).status == 200


async def test_info_says_that_a_key_is_needed(keyed: Wire):
    assert b'"auth_mode":"security_key"' in (await keyed.ask("GET", "/info")).body


async def test_a_preflight_of_an_allowed_origin_needs_no_key(keyed: Wire):
    asked = "authorization, content-type, project-id, x-sdk-name, x-stainless-retry-count"
    headers = {
        "Origin": "https://ui.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": asked,
    }
    answer = await keyed.ask("OPTIONS", "/api/v1/beta/agent-data/x", headers=headers)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"
    assert answer.headers["access-control-allow-headers"] == asked


async def test_even_a_refusal_can_be_read_by_an_allowed_page(keyed: Wire):
    answer = await keyed.ask("GET", "/agents", headers={"Origin": "https://ui.example"})
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7777", "localhost", "localhost:80", "[::1]:7777", "os.localhost", "192.168.1.7", "SERAI.lan:7"]
)
async def test_a_keyless_server_answers_to_loopback_addresses_and_allowed_names(keyless: Wire, host: str):
    assert (await keyless.ask("GET", "/agents", headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:7777", "localhost.evil.example", ""])
async def test_a_rebound_name_is_403_and_the_detail_names_the_setting(keyless: Wire, host: str):
    answer = await keyless.ask("GET", "/agents", headers={"Host": host})
    assert answer.status == 403
    assert b"SERAI_ALLOWED_HOSTS" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:4000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_origin_cannot_post_a_run(keyless: Wire, headers: dict[str, str]):
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await keyless.ask("POST", "/agents/my-agent/runs", headers=form, body=b"message=hi")
    assert answer.status == 403
    assert b"SERAI_CORS_ORIGINS" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_programs_own_pages_listed_origins_and_links_are_served(keyless: Wire, headers: dict[str, str]):
    assert (await keyless.ask("GET", "/agents", headers=headers)).status == 200


async def test_a_keyed_server_leaves_pages_to_the_key(keyed: Wire):
    headers = {"Host": "public.example", "Origin": "https://any.example", "Authorization": "Bearer a-long-key"}
    assert (await keyed.ask("GET", "/agents", headers=headers)).status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "serai.example"])
def test_listening_beyond_loopback_without_a_key_is_refused(host: str):
    with pytest.raises(ConfigurationError, match="SERAI_SECURITY_KEY"):
        check_bind(Settings(host=host))
    check_bind(Settings(host=host, insecure=True))
    check_bind(Settings(host=host, security_key=SecretStr("k")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_needs_no_key(host: str):
    assert is_loopback(host)
    check_bind(Settings(host=host))


def test_any_origin_without_a_key_and_an_empty_key_are_refused():
    with pytest.raises(ConfigurationError, match="SERAI_CORS_ORIGINS"):
        check_key(Settings(cors_origins=("*",)))
    with pytest.raises(ConfigurationError, match="empty"):
        _ = make_os(settings={"security_key": ""}).app
