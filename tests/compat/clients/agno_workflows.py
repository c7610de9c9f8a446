"""What the published ``AgentOSClient`` of agno must be able to do with workflows: discovery, plain runs, errors.

Runs in the locked environments of agno 3 and agno 2; the workflows are those of serai_workflows.py.
"""

from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno.run.agent import RunOutput
from agno.run.team import TeamRunOutput
from agno.run.workflow import WorkflowRunOutput
from agno_calls import ODD_TEXT, ended, equal, expect_status, listed, read, status_of, streamed_workflow
from checklist import check, check_generation, main

WORKFLOWS = {
    "seq-workflow",
    "team-workflow",
    "parallel-workflow",
    "loop-workflow",
    "router-workflow",
    "nested-workflow",
}


async def run(target, workflow_id, message, **options):
    done = await AgentOSClient(target.base_url).run_workflow(workflow_id, message, **options)
    equal((status_of(done), done.workflow_id), ("COMPLETED", workflow_id))
    return done


def results_of(step_outputs):
    return [(step.step_name, step.step_type, step.content) for step in step_outputs]


def inner_results(done):
    """Return what the steps inside the first construct gave."""
    return [(step.step_name, step.content) for step in done.step_results[0].steps]


# --- discovery


@check
async def the_list_names_the_workflows(target):
    workflows = await AgentOSClient(target.base_url).list_workflows()
    by_id = {workflow.id: workflow for workflow in workflows}
    equal(set(by_id) >= WORKFLOWS, True)
    assert all(workflow.name for workflow in workflows)
    equal(by_id["seq-workflow"].description, "Asks, then shouts.")


@check
async def aget_workflow_gives_its_steps(target):
    workflow = await AgentOSClient(target.base_url).aget_workflow("seq-workflow")
    equal((workflow.id, workflow.description), ("seq-workflow", "Asks, then shouts."))
    ask, shout = workflow.steps
    equal((ask["name"], ask["type"], ask["agent"]["id"]), ("ask", "Step", "echo-agent"))
    equal((shout["name"], shout["type"]), ("shout", "Step"))


@check
async def get_workflow_works_without_await_and_shows_constructs(target):
    outside, finish = AgentOSClient(target.base_url).get_workflow("deep-workflow").steps
    equal((outside["name"], outside["type"], finish["name"]), ("outside", "Steps", "finish"))
    both, rounds = outside["steps"]
    equal((both["name"], both["type"], rounds["type"]), ("both", "Parallel", "Loop"))
    equal([step["name"] for step in both["steps"]], ["first", "second"])
    equal(both["steps"][0]["steps"][1]["agent"]["id"], "echo-agent")
    equal(rounds["steps"][0]["type"], "Condition")


@check
async def aget_workflow_shows_a_team_in_a_step(target):
    workflow = await AgentOSClient(target.base_url).aget_workflow("team-workflow")
    equal(workflow.steps[0]["team"]["id"], "research-team")
    equal([member["id"] for member in workflow.steps[0]["team"]["members"]], ["searcher", "writer"])


# --- plain runs


@check
async def run_workflow_answers(target):
    done = await run(target, "seq-workflow", "hello wire")
    equal((done.content, done.input), ("ECHO: HELLO WIRE", "hello wire"))
    assert done.run_id
    assert done.session_id
    assert done.created_at > 1_600_000_000, done.created_at


@check
async def run_workflow_gives_the_result_of_each_step(target):
    done = await run(target, "seq-workflow", "hello")
    equal(results_of(done.step_results), [("ask", "Step", "Echo: hello"), ("shout", "Step", "ECHO: HELLO")])
    ask, shout = done.step_results
    equal((ask.executor_type, ask.success, shout.executor_type, shout.success), ("agent", True, "function", True))
    assert ask.step_id
    assert ask.step_id != shout.step_id


@check
async def run_workflow_gives_the_runs_of_its_agents(target):
    done = await run(target, "seq-workflow", "hello")
    [inner] = done.step_executor_runs
    assert isinstance(inner, RunOutput)
    equal((inner.agent_id, inner.content, status_of(inner)), ("echo-agent", "Echo: hello", "COMPLETED"))
    equal((inner.parent_run_id, inner.workflow_step_id), (done.run_id, done.step_results[0].step_id))
    equal((inner.run_id, inner.session_id), (done.step_results[0].step_run_id, done.session_id))
    assert inner.run_id != inner.workflow_step_id
    equal(inner.input.input_content, "hello")


@check
async def run_workflow_counts_tokens_by_step(target):
    done = await run(target, "seq-workflow", "hello")
    ask = done.metrics.steps["ask"]
    equal((ask.step_name, ask.executor_type, ask.executor_name), ("ask", "agent", "echo-agent"))
    assert ask.metrics.total_tokens > 0
    equal(ask.metrics.total_tokens, done.step_executor_runs[0].metrics.total_tokens)


@check
async def run_workflow_keeps_ids_and_dictionaries(target):
    session = str(uuid4())
    done = await run(
        target, "seq-workflow", "hello", session_id=session, user_id="user-456", metadata={"ticket": "T-1"}
    )
    equal((done.session_id, done.user_id, done.metadata), (session, "user-456", {"ticket": "T-1"}))
    equal(done.step_executor_runs[0].user_id, "user-456")


@check
async def odd_characters_pass_through_a_workflow(target):
    done = await run(target, "seq-workflow", ODD_TEXT)
    equal((done.input, done.content), (ODD_TEXT, f"Echo: {ODD_TEXT}".upper()))


@check
async def a_workflow_works_in_the_background(target):
    client = AgentOSClient(target.base_url)
    accepted = await client.run_workflow("seq-workflow", "tea", session_id=str(uuid4()), background=True)
    done = await ended(target, "seq-workflow", accepted, kind="workflows")
    equal((done["status"], done["content"]), ("COMPLETED", "ECHO: TEA"))


@check
async def a_step_is_a_team(target):
    done = await run(target, "team-workflow", "tea")
    answer = "I ask around. Summary: Found: tea; Written: Found: tea"
    equal((done.content, done.step_results[0].executor_type), (f"finished: {answer}", "team"))
    [team] = done.step_executor_runs
    assert isinstance(team, TeamRunOutput)
    equal((team.team_id, team.content, team.parent_run_id), ("research-team", answer, done.run_id))
    equal([member.agent_id for member in team.member_responses], ["searcher", "writer"])
    equal({member.parent_run_id for member in team.member_responses}, {team.run_id})


@check
async def steps_in_a_row_are_one_result(target):
    done = await run(target, "steps-workflow", "tea")
    equal(done.content, "finished: ECHO: TEA")
    equal((done.step_results[0].step_name, done.step_results[0].step_type), ("prepare", "Steps"))
    equal(inner_results(done), [("ask", "Echo: tea"), ("shout", "ECHO: TEA")])
    equal([inner.agent_id for inner in done.step_executor_runs], ["echo-agent"])


@check
async def branches_are_joined_by_their_names(target):
    done = await run(target, "parallel-workflow", "Tea")
    equal(done.content, "Echo: Tea + TEA")
    equal((done.step_results[0].step_name, done.step_results[0].step_type), ("both", "Parallel"))
    equal(inner_results(done), [("left", "Echo: Tea"), ("right", "TEA")])


@check
async def a_condition_chooses_its_branch(target):
    urgent, calm = [await run(target, "condition-workflow", message) for message in ("urgent Tea", "Tea")]
    equal((urgent.content, calm.content), ("finished: URGENT TEA", "finished: tea"))
    equal(urgent.step_results[0].step_type, "Condition")
    equal((inner_results(urgent), inner_results(calm)), ([("shout", "URGENT TEA")], [("whisper", "tea")]))


@check
async def a_loop_ends_by_its_condition_or_its_limit(target):
    done = await run(target, "loop-workflow", "tea")
    equal((done.content, done.step_results[0].step_type), ("finished: round 2", "Loop"))
    equal(inner_results(done), [("count", "round 1"), ("count", "round 2")])
    equal((await run(target, "endless-workflow", "tea")).content, "finished: count is 3")


@check
async def a_router_takes_the_chosen_way(target):
    left, right = [await run(target, "router-workflow", f"{way} Tea") for way in ("left", "right")]
    equal((left.content, right.content), ("finished: LEFT TEA", "finished: right tea"))
    equal((right.step_results[0].step_type, inner_results(right)), ("Router", [("right", "right tea")]))


@check
async def a_workflow_is_a_step(target):
    done = await run(target, "nested-workflow", "tea")
    equal(done.content, "finished: ECHO: TEA")
    [inner] = done.step_executor_runs
    assert isinstance(inner, WorkflowRunOutput)
    equal((inner.workflow_id, inner.content, inner.parent_run_id), ("inner-workflow", "ECHO: TEA", done.run_id))
    equal(done.step_results[0].executor_type, "workflow")


@check
async def constructs_in_constructs_are_done(target):
    done = await run(target, "deep-workflow", "urgent tea")
    equal(done.content, "finished: noted urgent tea")
    [both, rounds] = done.step_results[0].steps
    equal((both.step_name, both.step_type, rounds.step_type), ("both", "Parallel", "Loop"))
    equal([inner.content for inner in done.step_executor_runs], ["Echo: noted urgent tea"])


@check
async def a_step_ends_a_workflow_early(target):
    stopped = await run(target, "stop-workflow", "stop")
    equal((stopped.content, len(stopped.step_results), stopped.step_results[0].stop), ("checked", 1, True))
    equal((await run(target, "stop-workflow", "go")).content, "finished: checked")


@check
async def a_failed_step_is_tried_again(target):
    message = str(uuid4())
    equal((await run(target, "retry-workflow", message)).content, f"finished: at last: {message}")


@check
async def a_failing_step_is_skipped(target):
    done = await run(target, "skip-workflow", "tea")
    equal([(step.step_name, step.success) for step in done.step_results][1:], [("fail", False), ("finish", True)])
    assert "step exploded" in done.step_results[1].error, done.step_results[1]


@check
async def state_is_kept_from_step_to_step_and_from_run_to_run(target):
    session = str(uuid4())
    contents = [(await run(target, "state-workflow", "go", session_id=session)).content for _ in range(2)]
    equal(contents, ["count is 1", "count is 2"])
    equal((await run(target, "state-workflow", "go")).content, "count is 1")


@check
async def a_run_of_a_workflow_is_listed_and_read(target):
    done = await run(target, "nested-workflow", "tea", session_id=str(uuid4()))
    stored = await read(target, "nested-workflow", done, kind="workflows")
    equal((stored["content"], stored["status"], len(stored["step_results"])), (done.content, "COMPLETED", 2))
    rows = await listed(target, "nested-workflow", done.session_id, kind="workflows")
    equal([(row["run_id"], row["run_input"], row["status"]) for row in rows], [(done.run_id, "tea", "COMPLETED")])


# --- refused requests


@check
async def an_unknown_workflow_is_404_and_the_client_goes_on(target):
    client = AgentOSClient(target.base_url)
    equal((await expect_status(404, client.aget_workflow("no-such-workflow")))["detail"], "Workflow not found")
    await expect_status(404, client.run_workflow("no-such-workflow", "hello"))
    await expect_status(404, streamed_workflow(client, "no-such-workflow", "hello"))
    await expect_status(404, client.run_workflow("research-team", "a team is no workflow"))
    equal((await client.run_workflow("seq-workflow", "tea")).content, "ECHO: TEA")


@check
async def an_empty_message_to_a_workflow_is_422(target):
    client = AgentOSClient(target.base_url)
    body = await expect_status(422, client.run_workflow("seq-workflow", ""))
    equal(body["detail"][0]["loc"], ["body", "message"])
    await expect_status(422, streamed_workflow(client, "seq-workflow", ""))


@check
async def a_workflow_cannot_enter_the_session_of_another_user(target):
    session = str(uuid4())
    await run(target, "seq-workflow", "tea", session_id=session, user_id="ada")
    body = await expect_status(404, run(target, "seq-workflow", "tea", session_id=session, user_id="eve"))
    equal(body["detail"], "Session not found")


@check
async def a_wrong_key_opens_no_workflow(target):
    client = AgentOSClient(target.keyed_url)
    await expect_status(401, client.list_workflows(headers={"Authorization": "Bearer wrong"}))
    await expect_status(401, client.run_workflow("seq-workflow", "tea"))
    right = {"Authorization": f"Bearer {target.key}"}
    equal((await client.run_workflow("seq-workflow", "tea", headers=right)).content, "ECHO: TEA")


@check_generation(3)
async def an_unknown_run_of_a_workflow_cannot_be_continued(target):
    client, answer = AgentOSClient(target.base_url), [{"step_id": "s", "confirmed": True}]
    await expect_status(404, client.continue_workflow_run("seq-workflow", "nobody", answer, "s"))
    body = await expect_status(404, client.continue_workflow_run("no-such-workflow", "nobody", answer, "s"))
    equal(body["detail"], "Workflow not found")


# --- failures inside a run; last, for agno's own server drops the connection after them


@check
async def a_failing_step_ends_a_plain_run_in_error_status(target):
    failed = await AgentOSClient(target.base_url).run_workflow("error-workflow", "tea")
    equal(status_of(failed), "ERROR")
    assert "step exploded" in failed.content, failed.content


@check
async def a_failing_agent_ends_a_plain_workflow_in_error_status(target):
    failed = await AgentOSClient(target.base_url).run_workflow("broken-agent-workflow", "tea")
    equal(status_of(failed), "ERROR")
    assert "model exploded" in failed.content, failed.content


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))
