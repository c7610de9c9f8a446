"""Which memories a run is told, what a model is shown that looks for new ones, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelRequest, UserPromptPart

from serai.domain.json_text import load_json
from serai.domain.memories import LONGEST_MEMORY, LONGEST_TOPIC, MOST_TOPICS, MemoryAction, MemoryRecord
from serai.memory.changes import Wanted, plan_changes
from serai.memory.extraction import LONGEST_READ, MOST_FOUND, extract, prompt_of
from serai.memory.recall import choose, context_text
from serai.testing import Asked, ScriptedModel, ToolCall, Turn

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def record(number: int, text: str, *, topics: Sequence[str] = (), revision: int = 1) -> MemoryRecord:
    at = NEW_YEAR + timedelta(days=number)
    return MemoryRecord(
        id=UUID(int=number),
        project_id="p",
        user_id="ann",
        memory=text,
        topics=tuple(topics),
        revision=revision,
        created_at=at,
        updated_at=at,
    )


def latest_first(*texts: str) -> list[MemoryRecord]:
    """Return memories of which the last one was changed last."""
    return [record(number, text) for number, text in reversed(list(enumerate(texts, start=1)))]


def chosen(memories: Sequence[MemoryRecord], message: str, *, tokens: int) -> list[str]:
    return [memory.memory for memory in choose(memories, message, token_budget=tokens)]


def test_all_are_told_when_they_fit_the_oldest_first():
    assert chosen(latest_first("a", "b", "c"), "", tokens=9) == ["a", "b", "c"]


def test_of_too_many_those_are_told_that_have_to_do_with_the_message():
    memories = latest_first("Her dog is called Rex.", "Likes tea.", "Works in Rome.", "Plays the flute.")
    assert chosen(memories, "What is my dog called?", tokens=8) == ["Her dog is called Rex."]
    assert chosen(memories, "Is there tea in ROME?", tokens=12) == ["Likes tea.", "Works in Rome."]


def test_a_rare_word_counts_more_than_one_that_many_have():
    memories = latest_first("Wants her flute tuned.", *(f"Wants a number {n}." for n in range(6)))
    assert chosen(memories, "who wants a flute", tokens=9) == ["Wants her flute tuned."]


def test_topics_count_as_words():
    memories = [record(3, "Rex is four."), record(2, "Likes tea."), record(1, "Tom is five.", topics=["dog"])]
    assert chosen(memories, "how old is the dog", tokens=6) == ["Tom is five."]


def test_when_the_message_says_nothing_the_latest_are_told():
    assert chosen(latest_first("aaaa", "bbbb", "cccc"), "Hi!", tokens=8) == ["bbbb", "cccc"]


def test_words_are_found_in_scripts_without_blanks():
    memories = latest_first("彼女は犬を飼っている", "東京に住んでいる", "お茶が好き")
    assert chosen(memories, "犬の名前は?", tokens=12) == ["彼女は犬を飼っている"]


def test_one_that_does_not_fit_makes_room_for_others():
    assert chosen(latest_first("a", "b" * 400, "c"), "", tokens=6) == ["a", "c"]


@given(st.lists(st.text(max_size=60), max_size=12), st.text(max_size=40), st.integers(1, 60))
def test_what_is_told_fits_its_budget_and_depends_on_nothing_else(texts: list[str], message: str, tokens: int):
    memories = latest_first(*texts)
    told = choose(memories, message, token_budget=tokens)
    assert sum(len(memory.memory.encode()) for memory in told) <= tokens * 4
    assert all(one.id < other.id for one, other in pairwise(told))
    assert told == choose(memories, message, token_budget=tokens)


def test_a_memory_cannot_pretend_to_be_more_than_one():
    assert context_text(["a\n2. b", "c"]).splitlines()[-2:] == ["1. a 2. b", "2. c"]


async def test_a_model_is_shown_the_users_words_and_what_is_known_and_nothing_else():
    asked: list[Asked] = []

    def answer(given: Asked) -> Turn:
        asked.append(given)
        facts = [{"memory": "Lives in Oslo.", "topics": ["home"], "replaces": 1}, {"memory": "New.", "replaces": 7}]
        return Turn(tools=[ToolCall("final_result", {"memories": facts})])

    known = [record(1, "Lives in Rome.")]
    found = await extract(ScriptedModel(answer), "I moved", known, instructions="Only homes.")
    assert found.wanted == [
        Wanted(text="Lives in Oslo.", topics=["home"], replaces=known[0]),
        Wanted(text="New.", topics=[]),
    ]
    assert found.input_tokens > 0
    (request,) = asked[0].messages
    assert isinstance(request, ModelRequest)
    (part,) = request.parts
    assert isinstance(part, UserPromptPart)
    assert part.content == prompt_of("I moved", known)
    assert asked[0].instructions.endswith("Only homes.")


async def test_a_model_that_finds_no_end_is_cut():
    facts = [{"memory": f"Fact {number}."} for number in range(MOST_FOUND + 5)]
    model = ScriptedModel([Turn(tools=[ToolCall("final_result", {"memories": facts})])])
    assert len((await extract(model, "x", [])).wanted) == MOST_FOUND


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=20), max_size=4))
def test_a_users_words_cannot_leave_their_place(said: str, known: list[str]):
    lines = prompt_of(said, [record(n, text) for n, text in enumerate(known)]).split("\n")
    assert load_json(lines[-1].encode()) == said
    assert lines[-2] == "The user wrote:"
    assert len(lines) == max(len(known), 1) + 4


def test_words_without_end_are_cut():
    assert len(prompt_of("x" * 1_000_000, [])) < LONGEST_READ + 100


def planned(wanted: Sequence[Wanted], *current: MemoryRecord) -> list[tuple[MemoryAction, str]]:
    return [(change.action, change.memory) for change in plan_changes(wanted, current)]


@pytest.mark.parametrize("text", ["", " \n", "likes  TEA.", "The user likes tea"])
def test_what_says_nothing_new_changes_nothing(text: str):
    assert planned([Wanted(text=text)], record(1, "Likes tea.")) == []


def test_what_says_the_same_and_more_takes_the_place_of_what_said_less():
    old = record(1, "Works for a bank in Zurich, Switzerland")
    more = "Works remotely for a bank in Zurich, Switzerland"
    assert planned([Wanted(text=more)], old) == [(MemoryAction.UPDATED, more)]
    assert planned([Wanted(text=old.memory)], record(1, more)) == []


def test_of_two_new_ones_that_say_the_same_one_is_stored():
    assert planned([Wanted(text="Likes tea."), Wanted(text="likes tea")]) == [(MemoryAction.CREATED, "Likes tea.")]


def test_a_correction_takes_the_place_of_what_it_corrects_and_only_as_that_was_read():
    old = record(1, "Lives in Rome.", topics=["home"], revision=4)
    (change,) = plan_changes([Wanted(text="Lives in Oslo.", replaces=old)], [old, record(2, "Likes tea.")])
    assert (change.action, change.memory_id, change.expected_revision) == (MemoryAction.UPDATED, old.id, 4)
    assert change.topics is None, "it keeps those it has"


def test_a_correction_of_what_is_gone_is_a_new_memory():
    gone = record(1, "Lives in Rome.")
    assert planned([Wanted(text="Lives in Oslo.", replaces=gone)]) == [(MemoryAction.CREATED, "Lives in Oslo.")]


def test_a_correction_that_says_what_another_memory_says_changes_nothing():
    old = record(1, "Lives in Rome.")
    assert planned([Wanted(text="Likes tea", replaces=old)], old, record(2, "Likes tea.")) == []


@pytest.mark.parametrize("text", ["Lives in Rome.", "Lives in  Rome."])
def test_a_correction_that_corrects_nothing_changes_nothing(text: str):
    old = record(1, "Lives in Rome.")
    assert planned([Wanted(text=text, replaces=old)], old) == []


def test_what_cannot_be_stored_is_cut():
    wanted = Wanted(text="a\0b\ud800" + "x" * LONGEST_MEMORY, topics=["", "t" * 999, *map(str, range(200))])
    (change,) = plan_changes([wanted], [])
    assert change.memory.startswith("a\ufffdb\ufffdx")
    assert len(change.memory) == LONGEST_MEMORY
    assert change.topics is not None
    assert (change.topics[0], len(change.topics)) == ("t" * LONGEST_TOPIC, MOST_TOPICS)
