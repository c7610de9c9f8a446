"""What ``AgentDataStore`` of llama-agents-server must be able to keep on the server.

Runs in that package's environment. A second store stands for a second process: it has nothing but what the
server holds.
"""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from checklist import check, main
from llama_agents.client.protocol.serializable_events import EventEnvelopeWithMetadata
from llama_agents.server import AgentDataStore, HandlerQuery, PersistentHandler
from workflows.events import Event, StopEvent


class Progress(Event):
    n: int


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


class Stores:
    """Stores over one place of their own."""

    def __init__(self, target):
        self._options = {"base_url": target.base_url, "api_key": "any", "deployment_name": "interviews"}
        self._options |= {"project_id": f"p-{uuid4()}", "collection": f"w-{uuid4()}"}

    def new(self):
        return AgentDataStore(**self._options)


def handler(handler_id, **fields):
    known = {"workflow_name": "interview", "status": "running", "run_id": f"run-{handler_id}"}
    return PersistentHandler(handler_id=handler_id, **{**known, **fields})


async def ids(store, **query):
    return sorted(found.handler_id for found in await store.query(HandlerQuery(**query)))


@check
async def a_handler_is_kept_and_updated(target):
    stores = Stores(target)
    store, idle_since = stores.new(), datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    await store.update(handler("h1", started_at=idle_since))
    await store.update(handler("h1", started_at=idle_since, idle_since=idle_since))
    (found,) = await stores.new().query(HandlerQuery(handler_id_in=["h1"]))
    equal(found, handler("h1", started_at=idle_since, idle_since=idle_since))
    # The second store has to find the record before it can replace it.
    await stores.new().update(handler("h1", status="completed", result=StopEvent(result={"n": [1, "\u00e9"]})))
    (found,) = await store.query(HandlerQuery(run_id_in=["run-h1"]))
    equal((found.status, found.result.result, found.idle_since), ("completed", {"n": [1, "\u00e9"]}, None))


@check
async def handlers_are_found_by_every_query(target):
    store = Stores(target).new()
    now = datetime.now(UTC)
    await store.update(handler("a", idle_since=now))
    await store.update(handler("b", status="failed", error="broken"))
    await store.update(handler("c", workflow_name="other"))
    equal(await ids(store), ["a", "b", "c"])
    equal(await ids(store, handler_id_in=["a", "c", "x"]), ["a", "c"])
    equal(await ids(store, run_id_in=["run-b"]), ["b"])
    equal(await ids(store, workflow_name_in=["interview"]), ["a", "b"])
    equal(await ids(store, status_in=["running", "completed"]), ["a", "c"])
    equal(await ids(store, is_idle=True), ["a"])
    equal(await ids(store, is_idle=False), ["b", "c"])
    equal(await ids(store, status_in=["running"], is_idle=False), ["c"])
    equal(await ids(store, status_in=[]), [])


@check
async def handlers_are_deleted_by_query(target):
    store = Stores(target).new()
    for name in "abcd":
        await store.update(handler(name, status="failed" if name in "ab" else "running"))
    equal(await store.delete(HandlerQuery(status_in=["failed"])), 2)
    equal(await store.delete(HandlerQuery(status_in=["failed"])), 0)
    equal(await ids(store), ["c", "d"])
    await store.update(handler("a"))
    equal(await ids(store), ["a", "c", "d"])
    equal(await store.delete(HandlerQuery()), 3)


@check
async def rows_of_one_handler_become_one(target):
    stores = Stores(target)
    await asyncio.gather(*(stores.new().update(handler("h1", error=str(n))) for n in range(8)))
    await stores.new().update(handler("h1", error="last"))
    (found,) = await stores.new().query(HandlerQuery(handler_id_in=["h1"]))
    equal(found.error, "last")


@check
async def the_status_of_a_run_is_updated(target):
    stores = Stores(target)
    await stores.new().update(handler("h1", idle_since=datetime.now(UTC)))
    await stores.new().update_handler_status("run-h1", status="completed", result=StopEvent(result=1), idle_since=None)
    (found,) = await stores.new().query(HandlerQuery(status_in=["completed"], is_idle=False))
    equal((found.handler_id, found.result.result), ("h1", 1))
    assert found.completed_at, found


@check
async def events_are_kept_in_order(target):
    stores = Stores(target)
    store = stores.new()
    for n in range(30):
        await store.append_event("run", EventEnvelopeWithMetadata.from_event(Progress(n=n)))
    await store.append_event("another", EventEnvelopeWithMetadata.from_event(Progress(n=-1)))
    await store.append_event("run", EventEnvelopeWithMetadata.from_event(StopEvent(result="done")))
    events = await stores.new().query_events("run")
    equal([event.sequence for event in events], list(range(31)))
    equal([event.event.value["n"] for event in events[:30]], list(range(30)))
    some = await stores.new().query_events("run", after_sequence=9, limit=3)
    equal([event.sequence for event in some], [10, 11, 12])
    seen = [event.sequence async for event in stores.new().subscribe_events("run", after_sequence=27)]
    equal(seen, [28, 29, 30])


@check
async def a_second_process_goes_on_with_the_numbers(target):
    stores = Stores(target)
    for n in range(3):
        store = stores.new()
        await store.append_event("run", EventEnvelopeWithMetadata.from_event(Progress(n=n)))
        await store.append_tick("run", {"n": n})
        await store.after_tick("run", {"n": n})
    equal([event.sequence for event in await store.query_events("run")], [0, 1, 2])
    equal([(tick.sequence, tick.tick_data) for tick in await store.get_ticks("run")], [(n, {"n": n}) for n in range(3)])


@check
async def ticks_are_read_page_after_page(target):
    stores = Stores(target)
    store = stores.new()
    for n in range(250):
        await store.append_tick("run", {"n": n})
        if n % 50 == 49:
            await store.after_tick("run", {})
    ticks = [tick.tick_data["n"] async for tick in stores.new().stream_ticks("run")]
    equal(ticks, list(range(250)))


@check
async def the_state_of_a_run_and_of_its_children_is_kept(target):
    stores = Stores(target)
    store = stores.new()
    root = store.create_state_store("run")
    child = store.create_state_store("run", namespace=("child", "1"))
    await root.set("name", "Ada")
    await root.set("deep", {"list": [1, 2.5, None]})
    await child.set("name", "Byron")
    later = stores.new()
    equal(await later.create_state_store("run").get("name"), "Ada")
    equal(await later.create_state_store("run").get("deep.list"), [1, 2.5, None])
    equal(await later.create_state_store("run", namespace=("child", "1")).get("name"), "Byron")
    equal(await later.create_state_store("run", namespace=("child", "2")).get("name", default=None), None)
    equal(await later.create_state_store("another").get("name", default=None), None)


@check
async def the_state_of_many_children_is_copied_to_another_run(target):
    stores = Stores(target)
    store = stores.new()
    await store.create_state_store("run").set("n", -1)
    children = [(f"child-{n:03}",) for n in range(120)]
    await asyncio.gather(
        *(store.create_state_store("run", namespace=child).set("n", n) for n, child in enumerate(children))
    )
    handle = store.create_state_store("run").to_dict(None)
    copied = stores.new()
    equal(await copied.create_state_store("copy", serialized_state=handle).get("n"), -1)
    found = [await copied.create_state_store("copy", namespace=child).get("n") for child in children]
    equal(found, list(range(120)))


if __name__ == "__main__":
    main()
