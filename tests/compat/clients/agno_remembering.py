"""What the published ``AgentOSClient`` of agno sees of an agent that remembers its users.

Runs in the locked environments of agno 3 and agno 2.
"""

import asyncio
from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno_calls import equal, streamed
from checklist import check, main


async def remembered(client, owner, *, patience_s=10):
    """Return what is remembered of a user as soon as something is."""
    async with asyncio.timeout(patience_s):
        while not (found := (await client.list_memories(user_id=owner)).data):  # noqa: ASYNC110 - HTTP has no event for it
            await asyncio.sleep(0.05)
    return found


@check
async def a_run_that_leaves_something_to_remember_says_so_before_it_ends(target):
    client, owner = AgentOSClient(target.base_url), f"user-{uuid4()}"
    events = await streamed(client, "memory-agent", "I have a dog", user_id=owner)
    last = [event.event for event in events][-4:]
    equal(last, ["RunContentCompleted", "MemoryUpdateStarted", "MemoryUpdateCompleted", "RunCompleted"])
    equal(events[-1].content, "Echo: I have a dog")


@check
async def what_a_user_wrote_is_remembered_over_sessions(target):
    client, owner = AgentOSClient(target.base_url), f"user-{uuid4()}"
    await client.run_agent("memory-agent", "I have a dog", user_id=owner)
    (memory,) = await remembered(client, owner)
    equal((memory.memory, memory.topics, memory.user_id), ("Has a dog.", ["pets"], owner))


if __name__ == "__main__":
    main(generation=int(version("agno").partition(".")[0]))
