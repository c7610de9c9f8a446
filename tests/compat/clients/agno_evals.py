"""What the published ``AgentOSClient`` of agno must be able to do with evals, and with the database.

Runs in the locked environments of agno 3 and agno 2; the agent reports the weather of Oslo, as its tool tells it.
"""

import statistics
from importlib.metadata import version

from agno.client import AgentOSClient
from agno.db.schemas.evals import EvalFilterType, EvalType
from agno_calls import equal, expect_status
from checklist import check, check_generation, main

REPORT = "Report: Oslo: sunny"


async def evaluated(target, eval_type=EvalType.RELIABILITY, *, agent_id="eval-agent", **options):
    """Run an eval; return the client and the eval."""
    client = AgentOSClient(target.base_url)
    found = await client.run_eval(eval_type, "How is the weather?", agent_id=agent_id, **options)
    return client, found


async def model_of(client):
    """Return the model of the agent as an eval names it."""
    model = (await client.aget_agent("eval-agent")).model
    return {"model_id": model.model, "model_provider": model.provider}


@check
async def accuracy_is_scored_by_a_judge(target):
    _, found = await evaluated(
        target,
        EvalType.ACCURACY,
        expected_output="Sunny",
        num_iterations=2,
        **await model_of(AgentOSClient(target.base_url)),
    )
    equal((found.eval_type, found.agent_id, found.team_id), (EvalType.ACCURACY, "eval-agent", None))
    members = ("input", "output", "expected_output", "score", "reason")
    result = dict(zip(members, ("How is the weather?", REPORT, "Sunny", 9, "It is sunny."), strict=True))
    equal(found.eval_data["results"], [result, result])
    scores = {name: found.eval_data[name] for name in ("avg_score", "mean_score", "min_score", "max_score")}
    equal(scores, dict.fromkeys(scores, 9))
    equal(found.eval_data["std_dev_score"], 0)


@check
async def performance_has_times_memory_and_their_statistics(target):
    _, found = await evaluated(target, EvalType.PERFORMANCE, num_iterations=3)
    data = found.eval_data
    for values, name in (("run_times", "run_time"), ("memory_usages", "memory_usage")):
        equal(len(data[values]), 3)
        equal(data[f"min_{name}"], min(data[values]))
        equal(data[f"max_{name}"], max(data[values]))
        assert abs(data[f"avg_{name}"] - statistics.mean(data[values])) < 1e-9
        equal(data[f"median_{name}"], statistics.median(data[values]))
        assert data[f"min_{name}"] <= data[f"p95_{name}"] <= data[f"max_{name}"]
        assert data[f"std_dev_{name}"] >= 0
    assert data["min_run_time"] > 0


@check
async def reliability_passes_when_the_expected_tool_was_called(target):
    _, found = await evaluated(target, expected_tool_calls=["get_weather"])
    equal(found.eval_data["eval_status"], "PASSED")
    equal(found.eval_data["passed_tool_calls"], ["get_weather"])
    equal(found.eval_data["failed_tool_calls"], [])


@check
async def reliability_fails_when_another_tool_was_called(target):
    _, found = await evaluated(target, expected_tool_calls=[])
    equal((found.eval_data["eval_status"], found.eval_data["failed_tool_calls"]), ("FAILED", ["get_weather"]))


@check
async def other_tools_may_be_allowed(target):
    _, found = await evaluated(target, expected_tool_calls=[], allow_additional_tool_calls=True)
    equal((found.eval_data["eval_status"], found.eval_data["additional_tool_calls"]), ("PASSED", ["get_weather"]))


@check
async def reliability_fails_when_an_expected_tool_was_not_called(target):
    _, found = await evaluated(target, expected_tool_calls=["get_weather", "get_time"])
    equal((found.eval_data["eval_status"], found.eval_data["missing_tool_calls"]), ("FAILED", ["get_time"]))


@check
async def reliability_compares_arguments(target):
    for city, status, lists in (("Oslo", "PASSED", ("passed", "failed")), ("Rome", "FAILED", ("failed", "passed"))):
        wanted = {"get_weather": [{"city": city}]}
        _, found = await evaluated(target, expected_tool_calls=["get_weather"], expected_tool_call_arguments=wanted)
        equal(found.eval_data["eval_status"], status)
        met, other = (found.eval_data[f"{name}_argument_checks"] for name in lists)
        equal((met, other), (["get_weather"], []))


@check
async def a_team_is_evaluated(target):
    client = AgentOSClient(target.base_url)
    found = await client.run_eval(EvalType.PERFORMANCE, "Find it.", team_id="research-team")
    equal((found.team_id, found.agent_id, len(found.eval_data["run_times"])), ("research-team", None, 1))


@check
async def a_team_passes_with_its_members_calls_alone(target):
    client = AgentOSClient(target.base_url)
    found = await client.run_eval(EvalType.RELIABILITY, "Find it.", team_id="research-team", expected_tool_calls=[])
    equal(found.eval_data["eval_status"], "PASSED")


@check
async def an_eval_is_stored_as_it_was_answered(target):
    client, found = await evaluated(target, expected_tool_calls=["get_weather"])
    stored = await client.get_eval_run(found.id)
    equal((stored.id, stored.eval_type, stored.agent_id), (found.id, EvalType.RELIABILITY, "eval-agent"))
    equal((stored.model_id, stored.model_provider), tuple((await model_of(client)).values()))
    equal(stored.eval_input["expected_tool_calls"], ["get_weather"])
    equal(stored.eval_data["eval_status"], "PASSED")
    assert stored.created_at is not None
    assert stored.updated_at is not None


@check
async def the_answer_has_what_the_stored_eval_has(target):
    client, found = await evaluated(target, expected_tool_calls=["get_weather"])
    equal(await client.get_eval_run(found.id), found)


@check
async def an_eval_is_renamed(target):
    client, found = await evaluated(target, expected_tool_calls=["get_weather"])
    equal((await client.update_eval_run(found.id, "Another name")).name, "Another name")
    equal((await client.get_eval_run(found.id)).name, "Another name")
    await expect_status(404, client.update_eval_run("missing", "x"))


@check
async def evals_are_deleted(target):
    client, first = await evaluated(target, expected_tool_calls=["get_weather"])
    _, second = await evaluated(target, expected_tool_calls=["get_weather"])
    equal(await client.delete_eval_runs([first.id, second.id, "missing"]), None)
    for found in (first, second):
        answer = await expect_status(404, client.get_eval_run(found.id))
        equal(answer["detail"], f"Eval run with id '{found.id}' not found")


@check
async def evals_are_listed_by_component_model_kind_and_type(target):
    client, found = await evaluated(target, expected_tool_calls=["get_weather"])
    model_id = (await model_of(client))["model_id"]

    async def lists(**query):
        page = await client.list_eval_runs(limit=100, **query)
        return found.id in [item.id for item in page.data]

    assert await lists()
    assert await lists(agent_id="eval-agent", model_id=model_id, filter_type=EvalFilterType.AGENT)
    assert await lists(eval_types=[EvalType.RELIABILITY, EvalType.ACCURACY])
    assert not await lists(eval_types=[EvalType.PERFORMANCE])
    assert not await lists(team_id="eval-agent")
    assert not await lists(workflow_id="eval-agent")
    assert not await lists(filter_type=EvalFilterType.TEAM)
    assert not await lists(model_id="other")


@check
async def evals_are_listed_in_pages_in_either_order(target):
    client, older = await evaluated(target, EvalType.PERFORMANCE, agent_id="echo-agent")
    _, newer = await evaluated(target, EvalType.PERFORMANCE, agent_id="echo-agent")
    total = (await client.list_eval_runs(agent_id="echo-agent")).meta.total_count
    pages = [
        await client.list_eval_runs(agent_id="echo-agent", limit=1, page=number, sort_order=order)
        for number, order in ((1, "desc"), (2, "desc"), (total, "asc"))
    ]
    found = {item.id for page in pages[:2] for item in page.data}
    equal(found, {older.id, newer.id})  # made within a second, the clock of the reference
    equal([len(page.data) for page in pages], [1, 1, 1])
    equal((pages[0].meta.total_pages, pages[0].meta.limit, pages[0].meta.page), (total, 1, 1))


@check
async def one_component_has_to_be_named(target):
    client = AgentOSClient(target.base_url)
    for named in ({}, {"agent_id": "eval-agent", "team_id": "research-team"}):
        call = client.run_eval(EvalType.RELIABILITY, "x", expected_tool_calls=[], **named)
        answer = await expect_status(400, call)
        assert "of agent_id or team_id must be provided" in answer["detail"]


@check
async def an_unknown_component_is_404(target):
    client = AgentOSClient(target.base_url)
    answer = await expect_status(404, client.run_eval(EvalType.PERFORMANCE, "x", agent_id="nobody"))
    equal(answer["detail"], "Agent with id 'nobody' not found")
    await expect_status(404, client.run_eval(EvalType.PERFORMANCE, "x", team_id="nobody"))


@check
async def what_a_type_needs_has_to_be_given(target):
    client = AgentOSClient(target.base_url)
    for eval_type, words in (
        (EvalType.ACCURACY, "expected_output is required"),
        (EvalType.AGENT_AS_JUDGE, "criteria is required"),  # for which the client has no argument
        (EvalType.RELIABILITY, "expected_tool_calls is required"),
    ):
        answer = await expect_status(400, client.run_eval(eval_type, "x", agent_id="eval-agent"))
        assert words in answer["detail"]


@check
async def evals_name_their_database(target):
    client, found = await evaluated(target, expected_tool_calls=[])
    database_id = (await client.aget_config()).databases[0]
    place = {"db_id": database_id, "table": "agno_eval_runs"}
    equal((await client.get_eval_run(found.id, **place)).id, found.id)
    assert (await client.list_eval_runs(**place)).data
    equal((await client.update_eval_run(found.id, "Here", **place)).name, "Here")
    await client.delete_eval_runs([found.id], **place)
    await expect_status(404, client.list_eval_runs(db_id="nowhere"))


@check
async def a_database_is_migrated(target):
    client = AgentOSClient(target.base_url)
    database_id = (await client.aget_config()).databases[0]
    for version_asked in (None, "2.0.0"):
        answer = await client.migrate_database(database_id, version_asked)
        assert answer["message"].startswith("Database migrated successfully to ")
    answer = await expect_status(404, client.migrate_database("nowhere"))
    equal(answer["detail"], "No database found with id 'nowhere'")


@check
async def the_version_that_is_asked_for_is_heeded(target):
    client = AgentOSClient(target.base_url)
    database_id = (await client.aget_config()).databases[0]
    answer = await client.migrate_database(database_id, "2.0.0")
    equal(answer["message"], "Database migrated successfully to version 2.0.0")


@check_generation(3)
async def an_eval_with_a_key_is_refused_without_it(target):
    client = AgentOSClient(target.keyed_url)
    await expect_status(401, client.list_eval_runs())
    page = await client.list_eval_runs(headers={"Authorization": f"Bearer {target.key}"})
    assert page.meta.page == 1


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))
