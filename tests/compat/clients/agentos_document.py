"""The page "AgentOSClient", snippet after snippet, as a notebook: what one binds the next ones have.

Run as a script in the environments of agno, as ``BASE_URL`` of a demo server, it runs the snippets as they were
published, and prints a line of JSON for each: its title, what it printed, and how it failed, if it did.
"""

import asyncio
import inspect
import io
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

PLACES = {"my-team": "research-team", "my-workflow": "qa-workflow"}
"""What stands for the page's components that are not named after what they do."""
COMES_WITHIN_S = 10


async def run_document(
    code_of: Callable[[str, str], str],
    run_snippet: Callable[[str, dict[str, Any]], Awaitable[None]],
    titles: list[str],
    base_url: str,
) -> AsyncIterator[tuple[str, str, str | None]]:
    """Run all snippets in order; yield the title of each, what it printed, and the error that it raised or None.

    Args:
        code_of: gives a snippet's code, by document and title.
        run_snippet: runs code with the names it needs, and keeps those it binds.
        titles: of all snippets.
        base_url: a server with the demo's components.
    """
    names: dict[str, Any] = {}
    for title in titles:
        ids = {**PLACES, "http://localhost:7777": base_url, **await _ids(title, names)}
        code = code_of("agentos_client", title)
        for published, ours in ids.items():
            for quote in ("'", '"'):
                code = code.replace(f"{quote}{published}{quote}", repr(ours))
        error: str | None = None
        with redirect_stdout(io.StringIO()) as printed:
            try:
                await run_snippet(code, names)
            except AttributeError as failure:
                error = str(failure)
        yield title, printed.getvalue(), error
    await _tidy(names)


async def _ids(title, names):
    """Return what stands for the ids of a snippet, made when it is needed."""
    client = names.get("client")
    if title == "continue_agent_run":
        run = await client.run_agent(agent_id="files-agent", message="How long is /etc/hosts?")
        [call] = [tool for tool in run.tools if tool.external_execution_required]
        return {"my-agent": "files-agent", "run-123": run.run_id, "call-1": call.tool_call_id}
    if title in ("get_memory", "update_memory", "delete_memory"):
        return {"mem-123": names["memory"].memory_id}
    if title == "get_session_runs":
        await client.run_agent(agent_id="my-agent", message="2 + 2?", session_id=names["session"].session_id)
    if title in ("get_session", "get_session_runs", "rename_session", "delete_session"):
        return {"session-123": names["session"].session_id}
    if title == "search_knowledge":
        text = await client.upload_knowledge_content(name="agno", text_content="Agno is what the document asks about.")
        names["text"] = text.id
        await _until(lambda: client.search_knowledge(query="What is Agno?"), lambda found: found.data)
    if title in ("get_traces", "get_trace"):
        page = await _until(lambda: client.get_traces(agent_id="my-agent"), lambda found: found.data)
        return {"trace-123": page.data[0].trace_id}
    return {}


async def _until(ask, is_enough):
    deadline = time.monotonic() + COMES_WITHIN_S
    while not is_enough(found := await ask()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def _tidy(names):
    """Remove what the demo would go on to answer from, and close the client that can be."""
    client = names["client"]
    for item in (await client.list_knowledge_content(limit=100)).data:
        if item.id == names["text"] or item.name == "My Document":
            await client.delete_knowledge_content(item.id)
    if inspect.iscoroutinefunction(getattr(client, "close", None)):
        await client.close()


async def _print(base_url):
    from documented_code import published_snippet, run_snippet, titles

    async for title, printed, error in run_document(published_snippet, run_snippet, titles("agentos_client"), base_url):
        print(json.dumps({"title": title, "printed": printed, "error": error}), flush=True)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    asyncio.run(_print(sys.argv[1]))
