"""Cron expressions in time zones: what the clock skips or shows twice, and the times between two moments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.domain.cron import CronTimes, read_timezone

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu")
EXPRESSIONS = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(["0", "30", "5,35", "*/20", "*", "59"]),
    st.sampled_from(["*", "0", "1", "2", "3", "0-23", "*/2", "1,2,3", "23"]),
    st.sampled_from(["*", "1", "25-31", "*/2"]),
    st.sampled_from(["*", "3,4,10,11"]),
    st.sampled_from(["*", "SUN", "5", "6-7"]),
)
_DAYS = [datetime(year, 12, 31, tzinfo=UTC).replace(tzinfo=None) for year in (2024, 2027)]
MOMENTS = st.datetimes(*_DAYS, timezones=st.just(UTC))


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    """Return so many times after a moment as the clock shows them."""
    found = []
    moment = datetime.fromisoformat(after)
    for _ in range(count):
        moment = CronTimes(cron, zone).after(moment)
        found.append(moment.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M%z"))
    return found


def test_an_expression_is_read_in_its_time_zone():
    assert times("0 7 * * *", "Europe/Berlin", "2026-01-01T06:00Z", 2) == ["01-02 07:00+0100", "01-03 07:00+0100"]
    assert times("0 7 * * *", "Asia/Kathmandu", "2026-01-01T00:00Z", 1) == ["01-01 07:00+0545"]
    assert times("@daily", "UTC", "2026-01-01T00:00Z", 1) == ["01-02 00:00+0000"]


def test_a_time_that_the_clock_skips_comes_at_the_next_one_there_is():
    assert times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", 2) == ["03-29 03:00+0200", "03-30 02:30+0200"]
    assert times("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", 2) == ["03-29 03:00+0200", "03-30 02:00+0200"]


def test_a_time_that_the_clock_shows_twice_comes_once():
    assert times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    in_the_hour_between = "2026-10-25T01:10Z"
    assert times("30 2 * * *", "Europe/Berlin", in_the_hour_between, 1) == ["10-26 02:30+0100"]


def test_what_comes_every_hour_comes_in_each_hour_that_elapses():
    expected = ["10-25 01:30+0200", "10-25 02:30+0200", "10-25 02:30+0100", "10-25 03:30+0100"]
    assert times("30 * * * *", "Europe/Berlin", "2026-10-24T23:00Z", 4) == expected
    assert times("30 0-23 * * *", "Europe/Berlin", "2026-10-24T23:00Z", 4) == expected


@given(EXPRESSIONS, st.sampled_from(ZONES), MOMENTS)
@settings(max_examples=60, deadline=None)
def test_times_rise_and_do_not_depend_on_where_the_search_begins(cron: str, zone: str, moment: datetime):
    found = CronTimes(cron, zone)
    first = found.after(moment)
    second = found.after(first)
    assert moment < first < second
    assert found.after(first - timedelta(microseconds=1)) == first
    assert found.after(second - timedelta(seconds=1)) == second


@given(EXPRESSIONS, st.sampled_from(ZONES), MOMENTS, st.integers(1, 50), st.integers(0, 60 * 50))
@settings(max_examples=60, deadline=None)
def test_the_times_between_two_moments_are_the_last_ones_of_all(
    cron: str, zone: str, first: datetime, limit: int, minutes: int
):
    found = CronTimes(cron, zone)
    last = first + timedelta(minutes=minutes)

    def each() -> Iterator[datetime]:
        moment = first - timedelta(microseconds=1)
        while True:
            moment = found.after(moment)
            yield moment

    assert found.between(first, last, limit=limit) == list(takewhile(lambda time: time <= last, each()))[-limit:]


def test_a_century_between_costs_no_more_than_the_times_that_are_wanted():
    first, last = datetime(1926, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert CronTimes("* * * * *", "Europe/Berlin").between(first, last, limit=2) == [last - timedelta(minutes=1), last]


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "five fields"),
        ("0 7 * *", "five fields"),
        ("0 0 7 * * *", "five fields"),
        ("0 " * 200, "five fields"),
        ("60 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("* * */20 * 1L", "never fires"),
        ("@never", "five fields"),
    ],
)
def test_an_expression_that_is_none_says_why(cron: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        CronTimes(cron, "UTC")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../UTC", "/etc/passwd", "a\0b", "x" * 5000, "\udc80"])
def test_a_time_zone_that_is_none_is_refused(name: str):
    with pytest.raises(ValueError, match="time zone"):
        read_timezone(name)
