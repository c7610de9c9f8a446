"""What the demo's searcher finds: a handful of facts, searched by their words. Real facts, and very few of them."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"\w{2,}")
_COMMON: Final = frozenset(
    _WORD.findall(
        "about analyze an and are as at by do does explain for from how in into is it its latest me of on or research "
        "tell that the their this to topic trends was what which why with write you"
    )
)

FACTS: Final = (
    "Python benefits: readable syntax, a large standard library, and packages for nearly every task.",
    "Python benefits: it runs the same on Linux, macOS and Windows, and is quick to learn.",
    "Python is the language in which most machine learning and AI libraries are used.",
    "Machine learning fits the parameters of a model to examples instead of writing the rules by hand.",
    "Machine learning models are judged on examples that they were not fitted to.",
    "AI agents are models that call tools in a loop until a task is done.",
    "AI agents in production need durable runs: a crash must not repeat what a tool has done.",
    "AI agents often ask a person before they act: human in the loop.",
    "Teams of agents split a task: a leader hands parts of it to members and sums up.",
    "Workflows fix the order of steps in code and leave only single steps to a model.",
    "PostgreSQL is a relational database that also stores JSON, queues, full text and vectors.",
    "PostgreSQL commits are durable: what was acknowledged survives a power cut.",
    "Durable execution writes each finished step down, so that another process can go on after the last one.",
    "Server-sent events stream text over plain HTTP; a client resumes from the last event id that it saw.",
    "Serai is a self-hosted home for AI agents: one server, one PostgreSQL, published wire protocols.",
)


def search(query: str, *, most: int = 4) -> list[str]:
    """Return the facts that share most words with a query, best first; none when none does."""
    wanted = words_of(query)
    scored = [(len(wanted & words_of(fact)), -place, fact) for place, fact in enumerate(FACTS)]
    return [fact for score, _, fact in sorted(scored, reverse=True) if score][:most]


def words_of(text: str) -> set[str]:
    """Return the words that a text is about: in lower case and the singular, common ones left out."""
    return {word.removesuffix("s") for word in _WORD.findall(text.lower()) if word not in _COMMON}
