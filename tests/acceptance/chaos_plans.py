"""What chaos asks for: runs of agents, teams and workflows, drawn by chance. Not a test itself."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.acceptance.cluster import RUNS
from tests.acceptance.takeovers import CAREFUL, CREW, FLOW, FORK, asking


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run that is asked for.

    Attributes:
        runs: where.
        message: what.
        calls: what the tools of its agents write into the ledger.
        steps: what functions of a workflow write.
        width: how many of these may be under way at a time.
        pauses: it waits for a person, once.
    """

    runs: str
    message: str
    calls: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    width: int = 1
    pauses: bool = False

    @property
    def kind(self) -> str:
        """What runs: ``agents``, ``teams`` or ``workflows``."""
        return self.runs.split("/")[1]


def draw_plan(chance: random.Random, number: int) -> Plan:
    """Return what the run of a number is to do."""
    kind = chance.random()
    if kind < 0.2:
        return draw_team(chance, f"r{number}")
    return draw_workflow(chance, f"r{number}") if kind < 0.4 else draw_agent(chance, f"r{number}")


def draw_agent(chance: random.Random, tag: str) -> Plan:
    """Return a run of one agent."""
    labels = _labels(chance, tag, 3, 12)
    kind = chance.random()
    if kind < 0.2:
        return Plan(runs=RUNS, message=f"stream {chance.randint(50, 150)} 0.02")
    if kind < 0.3:
        return Plan(runs=RUNS, message=_message("parallel", labels), calls=labels, width=len(labels))
    if kind < 0.45:
        return Plan(runs=RUNS, message=f"delete {tag}", calls=(f"delete {tag}",), pauses=True)
    return Plan(runs=RUNS, message=_message("tools", labels), calls=labels)


def draw_team(chance: random.Random, tag: str) -> Plan:
    """Return a run of a team: two members at once, one of them a team at times, then one alone."""
    first, second, third = (_labels(chance, f"{tag}.{part}", 1, 4) for part in "abc")
    calls = first + second + third
    pauses = chance.random() < 0.3
    alone = f"delete {tag}" if pauses else _message("tools", third)
    inside = {"ask": [{"deep": _message("tools", second)}]}
    other = {"inner": inside} if chance.random() < 0.5 else {"two": _message("tools", second)}
    message = asking({"one": _message("tools", first), **other}, {"one": alone})
    if pauses:
        calls = (*first, *second, f"delete {tag}")
    return Plan(runs=CREW, message=message, calls=calls, width=2, pauses=pauses)


def draw_workflow(chance: random.Random, tag: str) -> Plan:
    """Return a run of a workflow: of one of three."""
    left, right = (_labels(chance, f"{tag}.{part}", 1, 4) for part in "ab")
    ends = (f"{tag}.begin", f"{tag}.end")
    kind = chance.random()
    if kind < 0.3:
        message = f"{tag} / {_message('tools', left)} / {_message('tools', right)}"
        return Plan(runs=FORK, message=message, calls=left + right, steps=ends[:1], width=2)
    if kind < 0.6:
        calls = (f"delete {tag}", *right)
        message = f"{tag} / delete {tag} / {_message('tools', right)}"
        return Plan(runs=CAREFUL, message=message, calls=calls, steps=(*ends, f"{tag}.check"), width=3, pauses=True)
    inside = ("left", "right", "round1", "round2", "round3", "nested", "deep", "low")
    functions = ("begin", "next1", "next2", "next3", "plan", "brief", "end")
    steps = tuple(f"{tag}.{name}" for name in functions)
    return Plan(runs=FLOW, message=tag, calls=tuple(f"{tag}.{name}" for name in inside), steps=steps, width=2)


def _labels(chance: random.Random, tag: str, least: int, most: int) -> tuple[str, ...]:
    return tuple(f"{tag}.{number}" for number in range(chance.randint(least, most)))


def _message(verb: str, labels: tuple[str, ...]) -> str:
    return f"{verb} {' '.join(labels)}"
