"""What a run and the runs inside it left in the database, and whether that keeps every promise. Not a test itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

NAMES = {"agent": "Run", "team": "TeamRun", "workflow": "Workflow"}
AT_REST = {"COMPLETED": "Completed", "ERROR": "Error", "CANCELLED": "Cancelled", "PAUSED": "Paused"}
_ONCE = ("StepStarted", "StepCompleted", "StepOutput", "StepPaused", "LoopIterationStarted", "LoopIterationCompleted")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Tree:
    """A root run, the runs inside it, and the one log that they share.

    Attributes:
        rows: of the table of runs, the root first; the others as they were begun.
        events: with their `seq`.
    """

    rows: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @property
    def root(self) -> dict[str, Any]:
        """The row of the root."""
        return self.rows[0]

    @property
    def takeovers(self) -> int:
        """How often a node went on with what another had begun, in all segments."""
        return int(self.root["epoch"] - 1 - self.root["segment"])

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each run by the id of its component; of several runs of one, that of the last."""
        return {row["component_id"]: row["status"] for row in self.rows}

    @property
    def output(self) -> dict[str, Any]:
        """The run object of the root."""
        output: dict[str, Any] = json.loads(self.root["output"])
        return output

    def of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the events of one of the runs."""
        return [event for event in self.events if event.get("run_id") == row["id"]]


async def read_tree(connection: Connection, run_id: str) -> Tree | None:
    """Read a run with all that is inside; None when it is not stored yet."""
    root = await connection.fetchrow("select * from runs where id = $1", run_id)
    if root is None:
        return None
    inside = "select * from runs where root_key = $1 and key <> $1 order by created_at, key"
    events = await connection.fetch("select seq, event from run_events where run_key = $1 order by seq", root["key"])
    return Tree(
        [dict(row) for row in (root, *await connection.fetch(inside, root["key"]))],
        [{**json.loads(event["event"]), "seq": event["seq"]} for event in events],
    )


async def wait_for(dsn: str, run_id: str, fits: Callable[[Tree], bool], *, timeout_s: float = 40) -> Tree:
    """Wait until what is stored of a run fits, and return it.

    Raises:
        AssertionError: it did not in time; the message says how the runs stand.
    """
    connection = await asyncpg.connect(dsn)
    tree = None
    try:
        async with asyncio.timeout(timeout_s):
            while (tree := await read_tree(connection, run_id)) is None or not fits(tree):  # noqa: ASYNC110 - far away
                await asyncio.sleep(0.02)
            return tree
    except TimeoutError:
        raise AssertionError(f"{run_id} did not get there: {tree and tree.statuses}") from None
    finally:
        await connection.close()


def rests(tree: Tree) -> bool:
    """Tell whether nobody works on the run."""
    return tree.root["status"] in AT_REST


def check_tree(tree: Tree) -> None:
    """Check a run at rest: no gap, nothing said twice, one end of each run, the root's the last.

    Raises:
        AssertionError: a promise was broken; the message says which.
    """
    seqs = [event["seq"] for event in tree.events]
    assert seqs == list(range(len(seqs))) == [event["event_index"] for event in tree.events]
    assert tree.events[-1] == tree.of(tree.root)[-1], "somebody spoke after the root's end"
    ids = {row["id"] for row in tree.rows}
    assert {event["run_id"] for event in tree.events} <= ids, "an event of no run"
    is_cut_off = tree.root["status"] in ("CANCELLED", "ERROR")
    for row in tree.rows:
        if is_cut_off and row is not tree.root:
            assert row["status"] not in ("PENDING", "RUNNING", "PAUSED"), tree.statuses
        else:
            _check_ends(row, tree.of(row))
    twice = {key: times for key, times in Counter(_once(tree.events)).items() if times > 1}
    assert not twice, f"said more than once: {twice}"


def _check_ends(row: Mapping[str, Any], events: list[dict[str, Any]]) -> None:
    """Check that a run began once, and came to rest once a segment."""
    prefix, who = NAMES[row["kind"]], f"{row['component_id']} {row['id']}"
    names = [event["event"] for event in events]
    rest = [name for name in names if name in {prefix + end for end in AT_REST.values()}]
    assert rest[-1:] == names[-1:] == [prefix + AT_REST[row["status"]]], f"{who} is {row['status']}: {names}"
    assert rest[:-1] == [f"{prefix}Paused"] * row["segment"], f"{who} in segment {row['segment']} rested as {rest}"
    assert names.count(f"{prefix}Started") == 1 or names == [f"{prefix}Cancelled"], f"{who}: {names}"
    if row["kind"] != "workflow" and row["status"] not in ("CANCELLED", "ERROR"):
        # A leader whose members pause again does not go on itself.
        went_on, most = names.count(f"{prefix}Continued"), row["segment"]
        assert went_on == most or (row["kind"] == "team" and went_on < most), f"{who}: {names}"
        of_models = prefix.removesuffix("Run") + "ModelRequest"
        assert names.count(f"{of_models}Started") == names.count(f"{of_models}Completed"), f"{who}: {names}"


def _once(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return a name for each event that must not come again."""
    found: list[tuple[Any, ...]] = []
    for event in events:
        name, run_id = event["event"], event["run_id"]
        if name.endswith(("ToolCallStarted", "ToolCallCompleted")):
            found.append((name, run_id, event["tool"]["tool_call_id"]))
        elif name in _ONCE:
            step_id = event.get("step_id") or event["step_output"]["step_id"]
            found.append((name, run_id, step_id, event.get("iteration")))
        elif name.endswith(("ExecutionStarted", "ExecutionCompleted")):
            found.append((name, run_id, event["step_id"]))
    return found


async def check_tokens(connection: Connection, session_id: str) -> None:
    """Check that a session counts the tokens of every model request that was completed in its runs, once."""
    totals = await connection.fetchrow("select input_tokens, output_tokens from sessions where id = $1", session_id)
    assert totals is not None
    sql = """
    select convert_from(event, 'utf8') as event from run_events
    where run_key in (select key from runs where session_id = $1) and name like '%ModelRequestCompleted'"""
    events = [json.loads(row["event"]) for row in await connection.fetch(sql, session_id)]
    counted = tuple(sum(event[name] for event in events) for name in ("input_tokens", "output_tokens"))
    assert counted == tuple(totals), f"session {session_id} counts {tuple(totals)}; its events say {counted}"


def said(tree: Tree, row: Mapping[str, Any]) -> str:
    """Return the text that a run said, without what a takeover made void."""
    restarts = [event for event in tree.events if event["event"] == "CustomEvent" and event["run_id"] == row["id"]]
    return "".join(
        event["content"]
        for event in tree.of(row)
        if event["event"] in ("RunContent", "TeamRunContent")
        and not any(restart["from_index"] <= event["seq"] < restart["seq"] for restart in restarts)
    )
