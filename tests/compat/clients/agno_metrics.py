"""What the published ``AgentOSClient`` of agno must be able to do with metrics.

Runs in the locked environments of agno 3 and agno 2; the agents are those of serai_os.py.
"""

from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno_calls import equal, expect_status
from checklist import check, check_generation, main


def today():
    return datetime.now(UTC).date()


async def totals(client):
    """Return today's totals, computed anew, or None."""
    await client.refresh_metrics()
    days = (await client.get_metrics(starting_date=today(), ending_date=today())).metrics
    return days[0] if days else None


@check
async def a_run_counts_in_the_totals_of_its_day(target):
    client = AgentOSClient(target.base_url)
    before = await totals(client)
    run = await client.run_agent("echo-agent", "one", session_id=str(uuid4()), user_id=str(uuid4()))
    after = await totals(client)
    equal(after.date.date(), today())
    assert after.agent_runs_count > (before.agent_runs_count if before else 0)
    assert after.agent_sessions_count > (before.agent_sessions_count if before else 0)
    assert after.users_count > (before.users_count if before else 0)
    tokens = after.token_metrics["total_tokens"] - (before.token_metrics["total_tokens"] if before else 0)
    assert tokens >= run.metrics.total_tokens
    assert any(model["count"] > 0 for model in after.model_metrics)


@check
async def metrics_come_as_days_with_all_their_members(target):
    client = AgentOSClient(target.base_url)
    await client.run_agent("echo-agent", "one")
    refreshed = await client.refresh_metrics()
    assert [day.date.date() for day in refreshed] == sorted(day.date.date() for day in refreshed)
    answer = await client.get_metrics()
    assert answer.updated_at.utcoffset() == timedelta(0)
    day = answer.metrics[-1]
    equal(day.id, f"{day.date.date()}_daily")
    for name in ("agent", "team", "workflow"):
        assert getattr(day, f"{name}_runs_count") >= 0
        assert getattr(day, f"{name}_sessions_count") >= 0
    assert set(day.model_metrics[0]) >= {"model_id", "model_provider", "count"}
    assert day.created_at.utcoffset() == day.updated_at.utcoffset() == timedelta(0)


@check
async def a_range_without_activity_is_empty(target):
    client = AgentOSClient(target.base_url)
    answer = await client.get_metrics(starting_date=date(2001, 1, 1), ending_date=date(2001, 1, 31))
    equal((answer.metrics, answer.updated_at), ([], None))


@check
async def an_unknown_database_of_metrics_is_404(target):
    client = AgentOSClient(target.base_url)
    answer = await expect_status(404, client.get_metrics(db_id="no-such"))
    equal(answer["detail"], "No database found with id 'no-such'")
    await expect_status(404, client.refresh_metrics(db_id="no-such"))


@check
async def a_table_of_metrics_needs_its_database(target):
    client = AgentOSClient(target.base_url)
    await expect_status(400, client.get_metrics(table="agno_metrics"))
    database = (await client.aget_config()).databases[0]
    await client.get_metrics(db_id=database)


@check_generation(3)
async def metrics_are_refreshed_in_the_background(target):
    client = AgentOSClient(target.base_url)
    started = await client.refresh_metrics(background=True)
    assert started.status in ("started", "already_running"), started
    status = await client.get_metrics_refresh_status()
    assert status.status in ("idle", "running", "completed"), status


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))
