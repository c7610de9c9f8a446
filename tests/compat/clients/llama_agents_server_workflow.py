"""A workflow that waits for an answer, kept by ``AgentDataStore``, in processes that end without a word.

Called as ``BASE_URL PLACE begin`` and later, in another process, as ``BASE_URL PLACE finish HANDLER_ID``.
"""

import asyncio
import json
import os
import sys

import httpx
from llama_agents.client import WorkflowClient
from llama_agents.server import AgentDataStore, WorkflowServer
from workflows import Context, Workflow, step
from workflows.events import HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent


class Question(InputRequiredEvent):
    text: str


class Answer(HumanResponseEvent):
    text: str


class Interview(Workflow):
    @step
    async def ask(self, ctx: Context, ev: StartEvent) -> Question:
        await ctx.store.set("guest", ev.get("guest"))
        return Question(text="What next?")

    @step
    async def conclude(self, ctx: Context, ev: Answer) -> StopEvent:
        guest = await ctx.store.get("guest")
        await ctx.store.set("answer", ev.text)
        return StopEvent(result=f"{guest}: {ev.text}")


def new_store(base_url, place):
    return AgentDataStore(
        base_url=base_url, api_key="any", project_id=place, deployment_name="interviews", collection="runs"
    )


async def kept(base_url, place, run_id):
    """Return what a store without memory finds: names of the events, and the state."""
    store = new_store(base_url, place)
    events = [event.event.type for event in await store.query_events(run_id)]
    state = store.create_state_store(run_id)
    return events, {name: await state.get(name, default=None) for name in ("guest", "answer")}


async def begin(client, base_url, place):
    handler = await client.run_workflow_nowait("interview", start_event={"guest": "Ada"})
    while "Question" not in (await kept(base_url, place, handler.run_id))[0]:  # noqa: ASYNC110 - the store is asked
        await asyncio.sleep(0.05)
    return handler


async def finish(client, base_url, place, handler_id):
    await client.send_event(handler_id, Answer(text="The engine."))
    return await client.wait_for_handler(handler_id, timeout=20)


async def main():
    base_url, place, phase, *rest = sys.argv[1:]
    server = WorkflowServer(workflow_store=new_store(base_url, place))
    server.add_workflow("interview", Interview(), additional_events=[Answer])
    await server.start()
    transport = httpx.ASGITransport(app=server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://workflows") as http:
        client = WorkflowClient(httpx_client=http)
        known = [found.handler_id for found in (await client.get_handlers()).handlers]
        handler = await {"begin": begin, "finish": finish}[phase](client, base_url, place, *rest)
        events, state = await kept(base_url, place, handler.run_id)
    result = handler.result and handler.result.value.get("result")
    said = {"known": known, "handler_id": handler.handler_id, "status": handler.status, "result": result}
    print(json.dumps({**said, "events": events, "state": state}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
