"""What the published ``AgentOSClient`` of agno must be able to do with sessions: every method, every kind of session.

Runs in the locked environments of agno 3 and agno 2; the components are those of serai_os.py.
"""

import time
from importlib.metadata import version
from uuid import uuid4

import httpx
from agno.client import AgentOSClient
from agno.db.base import SessionType
from agno_calls import equal, expect_status, status_of
from checklist import check, check_generation, main

SUMMARY = {"summary": "They said hello.", "topics": ["greeting"]}


def new_id():
    return f"s-{uuid4()}"


async def made(target, **options):
    """Return a client and a new session of the echo agent."""
    client = AgentOSClient(target.base_url)
    return client, await client.create_session(session_id=new_id(), agent_id="echo-agent", **options)


async def talked(target, *messages, **options):
    """Return a client and the id of a session in which the echo agent was spoken to."""
    client, session_id = AgentOSClient(target.base_url), new_id()
    for message in messages:
        await client.run_agent("echo-agent", message, session_id=session_id, **options)
    return client, session_id


async def raw(target, method, path, **options):
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        return await http.request(method, path, **options)


# --- making and reading


@check
async def create_session_keeps_what_it_is_given(target):
    client = AgentOSClient(target.base_url)
    session_id = new_id()
    session = await client.create_session(
        session_id=session_id,
        user_id="u1",
        session_name="My Chat",
        session_state={"k": 1, "nested": {"list": [1, None]}},
        metadata={"m": "x"},
        agent_id="echo-agent",
    )
    equal((session.session_id, session.agent_session_id), (session_id, session_id))
    equal((session.user_id, session.agent_id, session.session_name), ("u1", "echo-agent", "My Chat"))
    equal((session.session_state, session.metadata), ({"k": 1, "nested": {"list": [1, None]}}, {"m": "x"}))
    equal((session.chat_history or [], session.metrics or {}), ([], {}))
    assert abs(session.created_at.timestamp() - time.time()) < 60, session.created_at
    read = await client.get_session(session_id)
    equal(
        (read.session_name, read.session_state, read.metadata, read.created_at),
        (session.session_name, session.session_state, session.metadata, session.created_at),
    )


@check
async def create_session_gives_an_id(target):
    client = AgentOSClient(target.base_url)
    first, second = await client.create_session(agent_id="echo-agent"), await client.create_session(agent_id="x")
    assert first.session_id
    assert first.session_id != second.session_id
    equal(first.session_name, "")


@check
async def sessions_of_teams_and_workflows_are_made_and_read(target):
    client = AgentOSClient(target.base_url)
    for kind, component in ((SessionType.TEAM, "team_id"), (SessionType.WORKFLOW, "workflow_id")):
        made_one = await client.create_session(kind, session_id=new_id(), session_name="n", **{component: "some"})
        equal((getattr(made_one, component), made_one.session_name), ("some", "n"))
        read = await client.get_session(made_one.session_id, kind)
        equal((getattr(read, component), read.session_id), ("some", made_one.session_id))


@check_generation(3)
async def a_session_is_read_as_what_it_is_without_its_type(target):
    client = AgentOSClient(target.base_url)
    for kind, component in (("AGENT", "agent_id"), ("TEAM", "team_id"), ("WORKFLOW", "workflow_id")):
        one = await client.create_session(SessionType[kind], session_id=new_id(), **{component: "some"})
        read = await client.get_session(one.session_id)
        equal((type(read), getattr(read, component)), (type(one), "some"))
        equal(type(await client.rename_session(one.session_id, "n")), type(one))
        equal(type(await client.update_session(one.session_id, session_state={"a": 1})), type(one))


@check_generation(3)
async def a_session_without_a_component_is_read_without_its_type(target):
    client = AgentOSClient(target.base_url)
    one = await client.create_session(session_id=new_id())
    equal((await client.get_session(one.session_id)).session_id, one.session_id)


@check
async def a_session_of_a_team_is_read_as_an_agents(target):
    client, session_id = AgentOSClient(target.base_url), new_id()
    run = await client.run_team("research-team", "hello", session_id=session_id)
    read = await client.get_session(session_id, SessionType.AGENT)
    equal((read.session_id, read.session_name), (session_id, "hello"))
    equal(read.session_id, run.session_id)


@check
async def a_second_session_of_the_same_id_is_refused(target):
    client, session = await made(target, session_state={"k": 1})
    refused = await expect_status(409, client.create_session(session_id=session.session_id, session_state={"k": 2}))
    assert session.session_id in refused["detail"]
    equal((await client.get_session(session.session_id)).session_state, {"k": 1})


@check
async def a_session_that_is_not_there_is_404(target):
    client = AgentOSClient(target.base_url)
    await expect_status(404, client.get_session("missing"))
    await expect_status(404, client.get_session("missing", SessionType.TEAM))
    await expect_status(404, client.rename_session("missing", "n"))
    await expect_status(404, client.update_session("missing", session_name="n"))
    await expect_status(404, client.get_session_runs("missing"))
    await expect_status(404, client.get_session_run("missing", "r"))


@check
async def what_is_another_users_is_404(target):
    client, session = await made(target, user_id="u1")
    await expect_status(404, client.get_session(session.session_id, user_id="u2"))
    equal((await client.get_session(session.session_id, user_id="u1")).user_id, "u1")
    await expect_status(404, client.rename_session(session.session_id, "n", user_id="u2"))


@check
async def an_unknown_database_is_404(target):
    client = AgentOSClient(target.base_url)
    await expect_status(404, client.get_sessions(db_id="nope"))
    await expect_status(404, client.create_session(db_id="nope"))


@check
async def the_database_of_the_configuration_is_known(target):
    client = AgentOSClient(target.base_url)
    (database,) = (await client.aget_config()).databases
    session = await client.create_session(session_id=new_id(), agent_id="echo-agent", db_id=database)
    read = await client.get_session(session.session_id, db_id=database, table="agno_sessions")
    equal(read.session_id, session.session_id)


@check
async def an_id_may_have_blanks_and_letters_of_any_script(target):
    client = AgentOSClient(target.base_url)
    session_id = f"Sitzung é 日本 {uuid4()}"
    await client.create_session(session_id=session_id, agent_id="echo-agent")
    equal((await client.get_session(session_id)).session_id, session_id)


@check
async def an_id_may_have_slashes(target):
    client = AgentOSClient(target.base_url)
    session_id = f"team/{uuid4()}/notes"
    await client.create_session(session_id=session_id, agent_id="echo-agent", session_name="Notes")
    await client.run_agent("echo-agent", "hello", session_id=session_id)
    equal((await client.get_session(session_id)).session_id, session_id)
    equal([run.run_input for run in await client.get_session_runs(session_id)], ["hello"])
    equal((await client.rename_session(session_id, "More notes")).session_name, "More notes")
    await client.delete_session(session_id)
    await expect_status(404, client.get_session(session_id))


# --- what runs leave


@check
async def a_run_makes_a_session_that_is_called_by_its_message(target):
    client, session_id = await talked(target, "hello there", "and again", user_id="u1")
    session = await client.get_session(session_id)
    equal((session.session_name, session.user_id, session.agent_id), ("hello there", "u1", "echo-agent"))
    said = [(message["role"], message["content"]) for message in session.chat_history]
    equal(
        said,
        [
            ("user", "hello there"),
            ("assistant", "Echo: hello there"),
            ("user", "and again"),
            ("assistant", "Echo: and again"),
        ],
    )


@check
async def a_session_sums_the_tokens_of_its_runs_by_model(target):
    client, session_id = await talked(target, "one", "two words")
    session = await client.get_session(session_id)
    runs = await client.get_session_runs(session_id)
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        equal(session.metrics[name], sum(run.metrics[name] for run in runs))
    equal(session.total_tokens, session.metrics["total_tokens"])
    (model,) = session.metrics["details"]["model"]
    equal(model["total_tokens"], session.total_tokens)
    assert model["id"]
    assert model["provider"]


@check
async def runs_keep_what_was_given_and_said(target):
    client, session_id = await talked(target, "hello", user_id="u1")
    (run,) = await client.get_session_runs(session_id)
    equal((run.run_input, run.content, run.user_id, run.agent_id), ("hello", "Echo: hello", "u1", "echo-agent"))
    equal((run.status, run.run_response_format), ("COMPLETED", "text"))
    said = [(message["role"], message["content"]) for message in run.messages if message["role"] != "system"]
    equal(said, [("user", "hello"), ("assistant", "Echo: hello")])
    assert abs(run.created_at.timestamp() - time.time()) < 60, run.created_at
    single = await client.get_session_run(session_id, run.run_id)
    equal((single.run_id, single.content, single.created_at), (run.run_id, run.content, run.created_at))


@check
async def a_tool_call_stands_in_the_conversation_and_in_the_run(target):
    client, session_id = AgentOSClient(target.base_url), new_id()
    await client.run_agent("weather-agent", "weather?", session_id=session_id)
    session = await client.get_session(session_id)
    roles = [message["role"] for message in session.chat_history]
    equal(roles, ["user", "assistant", "assistant"])
    equal(session.chat_history[1]["tool_calls"][0]["function"]["name"], "get_weather")
    (run,) = await client.get_session_runs(session_id)
    equal([tool["tool_name"] for tool in run.tools], ["get_weather"])


@check
async def a_failed_run_says_why(target):
    client, session_id = AgentOSClient(target.base_url), new_id()
    await client.run_agent("broken-model-agent", "hello", session_id=session_id)
    (run,) = await client.get_session_runs(session_id)
    equal(run.status, "ERROR")
    assert "model exploded" in run.content, run.content


@check
async def runs_of_teams_and_workflows_are_told_apart(target):
    client = AgentOSClient(target.base_url)
    team = await client.run_team("research-team", "hello", session_id=new_id())
    (run,) = [run for run in await client.get_session_runs(team.session_id) if run.run_id == team.run_id]
    equal((type(run).__name__, run.team_id, run.run_input), ("TeamRunSchema", "research-team", "hello"))
    single = await client.get_session_run(team.session_id, team.run_id)
    equal((type(single).__name__, single.content), ("TeamRunSchema", run.content))
    flow = await client.run_workflow("seq-workflow", "hello", session_id=new_id())
    (run,) = await client.get_session_runs(flow.session_id)
    equal((type(run).__name__, run.workflow_id), ("WorkflowRunSchema", "seq-workflow"))
    equal((run.run_input, run.content), ("hello", flow.content))
    assert run.step_results
    equal(status_of(flow), run.status)


@check
async def runs_of_members_stand_in_the_run_of_their_team(target):
    client = AgentOSClient(target.base_url)
    team = await client.run_team("research-team", "hello", session_id=new_id())
    equal([run.run_id for run in await client.get_session_runs(team.session_id)], [team.run_id])
    answer = await raw(target, "GET", f"/sessions/{team.session_id}/runs")
    (member, *_) = answer.json()[0]["member_responses"]
    inner = await client.get_session_run(team.session_id, member["run_id"])
    equal((type(inner).__name__, inner.agent_id, inner.content), ("RunSchema", member["agent_id"], member["content"]))


@check_generation(3)
async def runs_keep_their_metadata(target):
    client, session_id = await talked(target, "hello", metadata={"m": "x"})
    (run,) = await client.get_session_runs(session_id)
    equal(run.metadata, {"m": "x"})


@check
async def runs_are_chosen_by_their_time(target):
    client, session_id = await talked(target, "hello")
    (run,) = await client.get_session_runs(session_id)
    at = int(run.created_at.timestamp())
    for bounds, count in (
        ({"created_after": at, "created_before": at}, 1),
        ({"created_after": at + 1}, 0),
        ({"created_before": at - 1}, 0),
    ):
        equal(len(await client.get_session_runs(session_id, **bounds)), count)


@check_generation(3)
async def runs_are_chosen_by_their_status(target):
    client, session_id = await talked(target, "hello")
    equal(len(await client.get_session_runs(session_id, status=["COMPLETED", "PAUSED"])), 1)
    equal(await client.get_session_runs(session_id, status=["PAUSED"]), [])
    await expect_status(400, client.get_session_runs(session_id, status=["ZZZ"]))


@check_generation(3)
async def previews_are_short(target):
    client, session_id = await talked(target, "y" * 500)
    for previews in (client.get_session_run_previews(session_id), await client.aget_session_run_previews(session_id)):
        (preview,) = previews
        equal((preview.run_input, preview.content_preview), ("y" * 280, ("Echo: " + "y" * 280)[:280]))
        equal((preview.status, preview.agent_id), ("COMPLETED", "echo-agent"))


@check
async def a_session_without_runs_has_none(target):
    client, session = await made(target)
    equal(await client.get_session_runs(session.session_id), [])
    await expect_status(404, client.get_session_run(session.session_id, "r"))


@check
async def a_given_name_and_state_outlive_a_run(target):
    client, session = await made(target, session_name="Kept", session_state={"k": 1})
    await client.run_agent("echo-agent", "hello", session_id=session.session_id)
    read = await client.get_session(session.session_id)
    equal((read.session_name, read.session_state["k"], len(read.chat_history)), ("Kept", 1, 2))


# --- lists


@check
async def lists_have_pages_filters_and_orders(target):
    client, user = AgentOSClient(target.base_url), f"u-{uuid4()}"
    made_ids = []
    for number in range(3):
        one = await client.create_session(
            session_id=new_id(), user_id=user, agent_id="echo-agent", session_name=f"n{number}"
        )
        made_ids.append(one.session_id)
    team = await client.create_session(SessionType.TEAM, session_id=new_id(), user_id=user, team_id="research-team")
    agents = await client.get_sessions(user_id=user, session_type=SessionType.AGENT)
    equal({one.session_id for one in agents.data}, set(made_ids))
    page = await client.get_sessions(user_id=user, session_type=SessionType.AGENT, limit=2, page=2)
    equal((len(page.data), page.meta.page, page.meta.limit), (1, 2, 2))
    equal((page.meta.total_count, page.meta.total_pages), (3, 2))
    past = await client.get_sessions(user_id=user, session_type=SessionType.AGENT, page=9)
    equal((past.data, past.meta.total_count), ([], 3))
    teams = await client.get_sessions(user_id=user, session_type=SessionType.TEAM, component_id="research-team")
    equal([one.session_id for one in teams.data], [team.session_id])
    named = await client.get_sessions(user_id=user, session_type=SessionType.AGENT, session_name="N1")
    equal([one.session_name for one in named.data], ["n1"])


@check
async def lists_without_a_type_have_all(target):
    client, user = AgentOSClient(target.base_url), f"u-{uuid4()}"
    await client.create_session(session_id=new_id(), user_id=user, agent_id="echo-agent")
    await client.create_session(SessionType.TEAM, session_id=new_id(), user_id=user, team_id="research-team")
    equal((await client.get_sessions(user_id=user)).meta.total_count, 2)


@check
async def the_items_of_a_list_have_state_metrics_and_summary(target):
    client, session_id = await talked(target, "hello", user_id=(user := f"u-{uuid4()}"))
    await client.update_session(session_id, session_state={"k": 1}, metadata={"m": "x"}, summary=SUMMARY)
    (item,) = (await client.get_sessions(user_id=user, session_type=SessionType.AGENT)).data
    equal((item.session_id, item.session_name, item.session_state), (session_id, "hello", {"k": 1}))
    assert item.metrics["total_tokens"] > 0, item.metrics
    equal(item.metadata, {"m": "x"})
    assert abs(item.created_at.timestamp() - time.time()) < 60, item.created_at


@check
async def names_are_found_in_any_script_and_by_the_first_message(target):
    client, session_id = await talked(target, "Wo ist die Straße?", user_id=(user := f"u-{uuid4()}"))
    for text in ("STRASSE", "wo IST"):
        found = await client.get_sessions(user_id=user, session_type=SessionType.AGENT, session_name=text)
        equal([one.session_id for one in found.data], [session_id])
    equal((await client.get_sessions(user_id=user, session_name="_")).data, [])


@check
async def page_zero_is_refused(target):
    for query in ("page=0", "limit=0", "sort_order=up", "type=robot"):
        equal((await raw(target, "GET", f"/sessions?{query}")).status_code, 422)


# --- changing and removing


@check
async def a_session_is_renamed(target):
    client, session_id = await talked(target, "hello")
    renamed = await client.rename_session(session_id, "Better é")
    equal((renamed.session_name, len(renamed.chat_history)), ("Better é", 2))
    equal((await client.get_session(session_id)).session_name, "Better é")


@check
async def a_change_replaces_what_it_names_and_nothing_else(target):
    client, session = await made(target, session_name="n", session_state={"a": 1}, metadata={"m": 1})
    changed = await client.update_session(session.session_id, session_state={"b": 2}, summary=SUMMARY)
    equal((changed.session_state, changed.session_name, changed.metadata), ({"b": 2}, "n", {"m": 1}))
    equal(changed.session_summary, SUMMARY)
    cleared = await client.update_session(session.session_id, session_state={}, session_name="m")
    equal((cleared.session_state or {}, cleared.session_name), ({}, "m"))
    equal(cleared.created_at, session.created_at)


@check
async def a_session_is_deleted_with_its_runs(target):
    client, session_id = await talked(target, "hello")
    await client.delete_session(session_id)
    await expect_status(404, client.get_session(session_id))
    await expect_status(404, client.get_session_runs(session_id))
    await client.delete_session(session_id)


@check
async def another_users_session_is_not_deleted(target):
    client, session = await made(target, user_id="u1")
    await client.delete_session(session.session_id, user_id="u2")
    equal((await client.get_session(session.session_id)).session_id, session.session_id)


@check
async def many_sessions_are_deleted_at_once(target):
    client, first = await made(target)
    second = await client.create_session(SessionType.TEAM, session_id=new_id(), team_id="research-team")
    ids = [first.session_id, second.session_id, "missing"]
    await client.delete_sessions(ids, [SessionType.AGENT, SessionType.TEAM, SessionType.AGENT])
    for session_id in ids[:2]:
        await expect_status(404, client.get_session(session_id))


@check
async def unequal_lists_are_refused(target):
    body = {"session_ids": ["a", "b"], "session_types": ["agent"]}
    equal((await raw(target, "DELETE", "/sessions", json=body)).status_code, 400)
    equal((await raw(target, "DELETE", "/sessions", json={"session_ids": [], "session_types": []})).status_code, 422)


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))
