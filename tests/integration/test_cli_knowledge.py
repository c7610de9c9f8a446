"""``serai knowledge …`` as typed, against a server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from serai import AgentOS, Knowledge, SyncAgentOSClient
from serai.cli import app
from serai.settings import Settings
from serai.testing import serving
from tests.hosting import shared_database
from tests.postgres import PostgresServer

pytestmark = pytest.mark.one_postgres

BROKEN_PDF = b"%PDF-1.7\nnothing more"


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[str]:
    with shared_database(postgres_server) as dsn:
        bases = [Knowledge(id="manuals", description="How things work."), Knowledge(id="notes")]
        with serving(AgentOS(knowledge=bases, settings=Settings(database_url=SecretStr(dsn)))) as served:
            yield served


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[SyncAgentOSClient]:
    with SyncAgentOSClient(url) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERAI_URL", "SERAI_SECURITY_KEY"):
        monkeypatch.delenv(name, raising=False)


def typed(url: str, *arguments: str, base: str = "notes", said: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["knowledge", *arguments, "--url", url, "--base", base], input=said)


def printed(url: str, *arguments: str, base: str = "notes", said: bytes | None = None) -> str:
    result = typed(url, *arguments, base=base, said=said)
    assert result.exit_code == 0, result.output
    return result.stdout


def added(url: str, *arguments: str, said: bytes | None = None) -> str:
    """Add one document, wait for it, and return its id."""
    line = printed(url, "add", *arguments, "--wait", "--json", said=said)
    content = json.loads(line)
    assert content["status"] == "completed", line
    return str(content["id"])


def test_a_file_is_added_found_shown_and_removed(url: str, tmp_path: Path) -> None:
    path = tmp_path / "lift.md"
    path.write_text("# Lift\n\nThe paternoster stops at midnight.\n")
    line = printed(url, "add", str(path), "--metadata", "kind=manual", "--metadata", "year:=2026", "--wait")
    content, name, *told = line.split()
    assert (name, told) == ("lift.md", ["can", "be", "found,", "1", "chunk"])
    facts = dict(line.split(maxsplit=1) for line in printed(url, "status", content).splitlines())
    assert facts["content:"] == content
    assert (facts["base:"], facts["status:"], facts["chunks:"]) == ("notes", "completed", "1")
    assert facts["metadata:"] == '{"kind": "manual", "year": 2026}'
    for filters in (["kind=manual"], ["year:=2026", "kind=manual"]):
        flags = [flag for one in filters for flag in ("--filter", one)]
        title, text = printed(url, "search", "paternoster", *flags).splitlines()
        assert title.startswith("1. lift.md · Lift · score ")
        assert "stops at midnight" in text
    assert typed(url, "search", "paternoster", "--filter", "year=2026").stderr == "Nothing is found.\n"
    assert printed(url, "rm", content) == f"Removed {content}\n"
    assert printed(url, "search", "paternoster") == ""
    assert "404" in typed(url, "rm", content).stderr


def test_standard_input_is_a_text_unless_its_name_says_what_it_is(url: str, client: SyncAgentOSClient) -> None:
    text = client.get_knowledge_content(added(url, "-", said="Zebras – żółć".encode()), knowledge_id="notes")
    assert (text.type, text.size) == ("manual", "19")
    table = client.get_knowledge_content(
        added(url, "-", "--name", "herd.csv", said=b"animal,stripes\nzebra,many\n"), knowledge_id="notes"
    )
    assert (table.name, table.type) == ("herd.csv", "text/csv")
    assert typed(url, "add", "-", said=b"").exit_code == 2


def test_a_folder_is_added_but_for_what_the_server_cannot_read(url: str, tmp_path: Path) -> None:
    for name, text in {"a.md": b"Apples", "deep/b.txt": b"Bananas", "c.jpeg": b"x", ".d.md": b"Dates"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    (tmp_path / "broken.pdf").write_bytes(BROKEN_PDF)
    result = typed(url, "add", str(tmp_path), "--wait", "--json")
    assert result.exit_code == 1
    told = {content["name"]: content["status"] for content in map(json.loads, result.stdout.splitlines())}
    assert told == {"a.md": "completed", "deep/b.txt": "completed", "broken.pdf": "failed"}
    assert result.stderr == f"1 of 4 files of {tmp_path} are left out: the server reads no .jpeg\n"
    again = typed(url, "add", str(tmp_path / "broken.pdf"), "--wait")
    assert "  broken.pdf  failed: " in again.stdout
    assert again.exit_code == 1


def test_replacing_takes_the_place_of_what_is_called_the_same(url: str, client: SyncAgentOSClient) -> None:
    first = added(url, "-", "--name", "rota", said=b"Monday: Ada")
    second = added(url, "-", "--name", "rota", "--replace", said=b"Monday: Grace")
    rota = [one.id for one in client.iter_knowledge_content(knowledge_id="notes") if one.name == "rota"]
    assert rota == [second] != [first]
    assert "Grace" in printed(url, "search", "Monday")


def test_a_url_is_fetched_by_the_server_and_says_why_it_failed(url: str) -> None:
    result = typed(url, "add", "http://127.0.0.1:9/handbook.html", "--name", "handbook", "--wait")
    content, name, told, *why = result.stdout.split()
    assert (name, told, result.exit_code) == ("handbook", "failed:", 1)
    facts = dict(line.split(maxsplit=1) for line in printed(url, "status", content).splitlines())
    assert (facts["url:"], facts["status:"]) == ("http://127.0.0.1:9/handbook.html", "failed")
    assert facts["message:"] == " ".join(why)


def test_one_document_that_is_refused_stops_none_of_the_others(url: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "full.txt").write_bytes(b"Full moon")
    result = typed(url, "add", str(tmp_path), "ftp.txt")
    assert (result.exit_code, "There is no file ftp.txt" in result.stderr) == (2, True)
    result = typed(url, "add", str(tmp_path))
    assert result.exit_code == 4
    assert "empty.txt is refused: 422" in result.stderr
    assert result.stdout.split()[1:] == ["full.txt", "is", "being", "taken", "in"]


def test_contents_are_a_table_and_the_next_page_is_named(url: str) -> None:
    ids = [added(url, "-", "--name", f"page {number}", said=f"Page number {number}".encode()) for number in range(2)]
    result = typed(url, "list", "--limit", "1")
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["CONTENT", "NAME", "TYPE", "SIZE", "CHUNKS", "STATUS", "CREATED", "(UTC)"]
    assert row.split()[:8] == [ids[1], "page", "1", "manual", "13", "bytes", "1", "completed"]
    assert result.stderr.endswith("the next: --page 2\n")
    assert ids[0] in printed(url, "list", "--all", "--json")


def test_all_contents_of_a_base_are_removed_when_that_is_meant(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Only here")
    printed(url, "add", str(path), "--wait", base="manuals")
    asked = typed(url, "rm", "--all", base="manuals", said=b"n\n")
    assert (asked.exit_code, "Remove all 1 contents of manuals for good?" in asked.stderr) == (1, True)
    assert printed(url, "rm", "--all", "--yes", base="manuals") == "Removed all contents.\n"
    assert typed(url, "list", base="manuals").stderr == "There are no contents.\n"


def test_what_the_server_can_do_is_shown(url: str) -> None:
    text = printed(url, "config")
    assert "keyword" in text
    assert ".docx" in text
    assert "markdown" in json.loads(printed(url, "config", "--json"))["readers"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "-", "--metadata", "kind"], "--metadata must be key=text or key:=JSON, not 'kind'"),
        (["add", "-", "--metadata", "year:=two"], "--metadata year is no JSON"),
        (["add", "a" * 300], "There is no file aaaa"),
        (["add", "tests", "--name", "x"], "--name is for one document"),
        (["search", "x", "--filter", "=1"], "--filter must be key=text"),
        (["search", ""], "query must not be empty"),
        (["rm"], "Name the contents to remove"),
        (["rm", "a", "--all"], "Give ids or --all, not both"),
    ],
)
def test_what_cannot_be_meant_is_told(url: str, arguments: list[str], told: str) -> None:
    result = typed(url, *arguments, said=b"text")
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr


def test_an_unknown_base_is_the_servers_answer(url: str) -> None:
    result = typed(url, "list", base="nowhere")
    assert (result.exit_code, "Knowledge base 'nowhere' not found" in result.stderr) == (4, True)


def test_a_terminal_shows_how_far_it_is_and_a_pipe_gets_the_contents(url: str, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"Number {number} of the terminal")
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "serai",
        "knowledge",
        "add",
        str(tmp_path),
        "--url",
        url,
        "--base",
        "notes",
        "--json",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=30, env=_with_terminal())
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert [json.loads(line)["name"] for line in done.stdout.splitlines()] == ["0.txt", "1.txt", "2.txt"]
    assert "/3" in shown


def _with_terminal() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color"}
