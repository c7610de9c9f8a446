"""When a cron expression fires in a time zone. Pure: what time it is now comes as an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LONGEST_CRON: Final = 200
_NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_HOURS: Final = set(range(24))
_MINUTE: Final = timedelta(minutes=1)
_CLOCK_CHANGE: Final = timedelta(hours=3)


def read_timezone(name: str) -> ZoneInfo:
    """Return the time zone of this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a folder, a path, text no file can have as a name
        raise ValueError("no time zone has this name; use one such as UTC or Europe/Berlin") from error


class CronTimes:
    """The moments, in UTC, at which a cron expression fires.

    An expression for every hour follows the time that elapses. Any other follows the clock on the wall: a time that
    the clock skips fires at the end of what it skips, a time that it shows twice fires once, the first time.

    Args:
        cron: minute, hour, day of month, month, day of week; or a nickname such as ``@daily``.
        timezone: a name of the IANA database.

    Raises:
        ValueError: either is wrong, or the expression never fires.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        self._zone = read_timezone(timezone)
        fields = _NICKNAMES.get(cron.strip().lower(), cron).split()
        if len(fields) != 5 or len(cron) > LONGEST_CRON:
            raise ValueError("it takes five fields: minute, hour, day of month, month, day of week")
        try:
            parsed = CronSim(" ".join(fields), datetime(2024, 1, 1))  # noqa: DTZ001 - the clock on the wall
        except CronSimError as error:
            raise ValueError(str(error).lower()) from error
        if next(parsed, None) is None:
            raise ValueError("it never fires")
        self._is_hourly = parsed.hours == _HOURS
        if self._is_hourly:
            fields[1] = "*"  # with anything else the library follows the clock after all
        self._cron = " ".join(fields)

    def after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""
        return next(self._times(moment))

    def between(self, first: datetime, last: datetime, *, limit: int) -> list[datetime]:
        """Return the times from `first` to `last`, both included, in order; of more than `limit` the latest.

        Cost: some `limit` steps, however long the time between is.
        """
        start = first - timedelta(microseconds=1)
        backwards = CronSim(self._cron, self._wall(last).replace(microsecond=1), reverse=True)
        earliest = next(islice(backwards, limit - 1, None), None)
        if earliest is not None:  # near enough: around a clock change the steps back are not those forward
            start = max(start, self._instant(earliest) - _CLOCK_CHANGE)
        return list(deque(takewhile(lambda time: time <= last, self._times(start)), maxlen=limit))

    def _times(self, moment: datetime) -> Iterator[datetime]:
        latest = moment
        for time in self._walk(moment):
            if time > latest:
                yield time
                latest = time

    def _walk(self, moment: datetime) -> Iterator[datetime]:
        if self._is_hourly:
            return (time.astimezone(UTC) for time in CronSim(self._cron, moment.astimezone(self._zone)))
        return (self._instant(time) for time in CronSim(self._cron, self._wall(moment)))

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def _instant(self, wall: datetime) -> datetime:
        """Return when the clock first shows a time, or what comes next after a time that it skips."""
        while True:
            moment = wall.replace(tzinfo=self._zone).astimezone(UTC)
            if self._wall(moment) == wall:
                return moment
            wall += _MINUTE
