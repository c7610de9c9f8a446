"""Half characters and U+0000 wherever a model or a tool may put them: the run ends, can be read, and is remembered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, ImageUrl

from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

HALF = "\ud83d"
RUNS = "/agents/helper/runs"


def helper() -> Agent[None, str]:
    model = ScriptedModel(
        rules=[
            Rule("split", [Turn(["a rocket: \ud83d", "\ude80"])]),
            Rule("half", [Turn([f"half: {HALF}", " nul: \x00"])]),
            Rule("args", [Turn(tools=[ToolCall("echo", {"word": f"{HALF}\x00"})]), Turn("Done.")]),
            Rule("nul id", [Turn(tools=[ToolCall("echo", {"word": "x"}, id="call\x001")]), Turn("Done.")]),
            Rule("broken id", [Turn(tools=[ToolCall("echo", {"word": "x"}, id=f"call{HALF}1")]), Turn("Done.")]),
            Rule("picture", [Turn(tools=[ToolCall("picture", {}), ToolCall("delete", {}, id="c1")]), Turn("Done.")]),
            Rule("", [Turn("Fine.")]),
        ]
    )
    agent = Agent(model, name="helper")

    @agent.tool_plain
    def echo(word: str) -> str:
        """Say it back."""
        return f"{word} {HALF} \x00"

    @agent.tool_plain
    def picture() -> list[ImageUrl]:
        """Return an image whose address is broken."""
        return [ImageUrl(f"https://example.org/{HALF}.png", identifier=f"id{HALF}")]

    @agent.tool_plain(requires_approval=True)
    def delete() -> str:
        """Delete something."""
        return "deleted"

    return agent


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[helper()], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=10) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str) -> dict[str, Any]:
    response = await client.post(RUNS, data={"message": message, "stream": "false", "session_id": "s"})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("split", "a rocket: \N{ROCKET}"),
        ("half", f"half: {HALF} nul: \x00"),
        ("args", "Done."),
        ("nul id", "Done."),
        ("broken id", "Done."),
    ],
)
async def test_odd_text_neither_ends_a_run_nor_its_session(client: httpx.AsyncClient, message: str, content: str):
    answer = await run(client, message)
    assert (answer["status"], answer["content"]) == ("COMPLETED", content)
    read = await client.get(f"{RUNS}/{answer['run_id']}")
    assert read.json()["content"] == content
    assert (await run(client, "next"))["content"] == "Fine."


async def test_a_character_in_two_pieces_is_whole_where_the_pieces_meet(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "split"})
    events = [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]
    pieces = [event["content"] for event in events if event["event"] == "RunContent"]
    joined = "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    assert joined == events[-1]["content"] == "a rocket: \N{ROCKET}"


async def test_a_run_pauses_and_goes_on_with_odd_text_in_what_its_tools_made(client: httpx.AsyncClient):
    paused = await run(client, "picture")
    assert paused["status"] == "PAUSED", paused
    url = f"{RUNS}/{paused['run_id']}"
    data = {"tools": json.dumps([{"tool_call_id": "c1", "confirmed": True}]), "stream": "false"}
    done = (await client.post(f"{url}/continue", data=data)).json()
    assert (done["status"], done["content"]) == ("COMPLETED", "Done.")
    assert done["images"][0]["url"] == f"https://example.org/{HALF}.png"
    assert (await client.get(url)).json()["status"] == "COMPLETED"


def part(name: str, value: str, *, filename: str = "") -> bytes:
    named = f'; filename="{filename}"\r\nContent-Type: text/plain' if filename else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n{value}\r\n'.encode()


async def send(client: httpx.AsyncClient, charset: str, *parts: bytes, path: str = RUNS) -> httpx.Response:
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    body = b"".join((part("session_id", "p"), part("stream", "false"), *parts, b"--b--\r\n"))
    return await client.post(path, content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize(("charset", "half"), [("unicode_escape", "\\ud800"), ("utf-7", "+2AA-")])
async def test_half_a_character_in_a_form_is_refused_by_the_name_of_its_field(
    client: httpx.AsyncClient, charset: str, half: str
):
    hi = part("message", "hi")
    for parts, name in (
        ([part("message", f"hi {half}")], "message"),
        ([hi, part("metadata", f'{{"a":"{half}"}}')], "metadata"),
        ([hi, part(f"x{half}", "1")], "x\\ud800"),
        ([hi, part("files", "text", filename=f"{half}.txt")], "files"),
    ):
        answer = await send(client, charset, *parts)
        assert answer.status_code == 422, answer.text
        (issue,) = answer.json()["detail"]
        assert (issue["loc"], issue["msg"]) == (["body", name], "Lone surrogates cannot be stored")
    answer = await send(client, charset, part("tools", f'[{{"tool_call_id":"{half}"}}]'), path=f"{RUNS}/x/continue")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "tools"])
    listed = await client.get(RUNS, params={"session_id": "p"})
    assert listed.status_code == 404, "nothing was stored"
    assert (await send(client, charset, hi)).json()["status"] == "COMPLETED"


async def test_half_a_character_in_json_text_is_refused_by_the_name_of_its_field(client: httpx.AsyncClient):
    for name in ("session_state", "dependencies", "metadata", "knowledge_filters", "output_schema", "images"):
        for text in ('{"a":"\\ud83d x"}', '{"\\ud83d x":1}'):
            answer = await client.post(RUNS, data={"message": "hi", "stream": "false", name: text})
            assert answer.status_code == 422, answer.text
            assert answer.json()["detail"][0]["loc"] == ["body", name]
    answer = await client.post(f"{RUNS}/x/continue", data={"tools": '[{"result":"\\ud83d x"}]'})
    assert (answer.status_code, "Invalid JSON in tools field" in answer.text) == (400, True)


@pytest.mark.parametrize("charset", ["punycode", "idna", "undefined", "utf-99"])
async def test_a_form_in_no_charset_at_all_is_refused(client: httpx.AsyncClient, charset: str):
    answer = await send(client, charset, part("message", "hi-" + "b9z" * 100))
    assert answer.status_code == 400, answer.text
    assert "send UTF-8" in answer.json()["detail"]
