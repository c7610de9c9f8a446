"""What steps see of each other, where they stand, and what a pause carries; no run, no database."""

from __future__ import annotations

from uuid import UUID

from serai import RunDeps, StepInput, StepOutput
from serai.components.workflow.memory import Memory, load_memory
from serai.components.workflow.places import Place, Scope, of_construct
from serai.components.workflow.results import StepResult

KEY = UUID(int=1)


def given(**outputs: StepOutput) -> StepInput:
    deps = RunDeps(run_id="r", session_id="s", user_id=None)
    return StepInput(input="hi", previous_step_outputs=outputs, run=deps)


def named(name: str, content: object, *steps: StepOutput) -> StepOutput:
    return StepOutput(content, step_name=name, steps=list(steps))


def result(name: str, content: object = None, **members: object) -> StepResult:
    return StepResult(name=name, id=name, type="Step", content=content, **members)  # type: ignore[arg-type]


def test_steps_are_found_by_name_wherever_they_are():
    step = given(a=named("a", 1), group=named("group", 3, named("b", 2), named("inner", 3, named("c", 3))))
    assert [step.get_step_content(name) for name in ("a", "b", "c", "group", "none")] == [1, 2, 3, 3, None]
    assert step.get_step_output("inner") is step.previous_step_outputs["group"].steps[1]


def test_of_steps_with_one_name_the_latest_is_found():
    step = given(rounds=named("rounds", 2, named("b", 1), named("b", 2)))
    assert step.get_step_content("b") == 2


def test_all_content_is_one_text():
    step = given(a=named("a", "one"), skipped=named("skipped", None), b=named("b", {"n": 2}))
    assert step.get_all_previous_content() == '=== a ===\none\n\n=== b ===\n{"n":2}'


def test_a_place_is_the_same_in_every_replay_and_one_of_its_own_in_each_iteration():
    loop = Place.of(KEY, 2, "loop")
    first, second = loop.inside(0, "b", iteration=1), loop.inside(0, "b", iteration=2)
    assert (loop.path, first.path, second.path) == ("2:loop", "2:loop/1/0:b", "2:loop/2/0:b")
    assert first.id == Place.of(KEY, 2, "loop").inside(0, "b", iteration=1).id != second.id
    assert first.id != Place.of(UUID(int=2), 2, "loop").inside(0, "b", iteration=1).id
    assert (loop.index, first.index, first.inside(3, "c").index) == (2, [2, 0], [2, 0, 3])
    assert (first.parent_id, first.top) == (loop.id, (2, "loop"))


def test_a_step_that_was_skipped_leaves_what_was_there_before():
    scope = Scope().after(result("a", "one")).after(result("b", is_skipped=True, error="no"))
    assert (scope.content, scope.text) == ("one", "one")
    assert [step.name for step in scope.results] == ["a", "b"]


def test_a_construct_answers_what_its_last_step_did():
    place = Place.of(KEY, 0, "group")
    steps = [result("a", "one"), result("b", "two"), result("c", is_skipped=True)]
    group = of_construct(place, "Steps", steps)
    assert (group.content, group.is_skipped, [step.name for step in group.steps]) == ("two", False, ["a", "b"])
    assert of_construct(place, "Steps", [result("c", is_skipped=True)]).is_skipped


def test_of_what_is_finished_only_the_result_is_carried():
    memory = Memory()
    group = Place.of(KEY, 1, "b")
    inner = group.inside(0, "x")
    memory.decisions |= {"1:b|if": True, "1:b/0:x|review|0": True, "1:b2|if": True}
    memory.attempts |= {"1:b/0:x": 2, "11:b": 1}
    memory.said |= {group.id: {"StepsExecutionStarted": 1}, inner.id: {"StepStarted": 1}, "other": {"StepStarted": 1}}
    memory.finish(inner, inner.result("Step", content=1))
    assert memory.said.keys() == {group.id, "other"}
    memory.finish(group, of_construct(group, "Steps", [memory.done[inner.path]]))
    assert memory.done.keys() == {"1:b"}
    assert memory.decisions == {"1:b2|if": True}
    assert memory.attempts == {"11:b": 1}
    assert memory.said == {"other": {"StepStarted": 1}}
    assert load_memory(memory.dump()) == memory
