"""What callers do to stored runs: continue one that paused, cancel one at any stage.

Order of locks as everywhere: session, then run, then the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from serai.domain.json_text import dump_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, RunRecord
from serai.domain.usage import Usage, sum_tokens
from serai.storage.connection import Connection, Database
from serai.storage.runs import RECORD_COLUMNS, Answer, read_record, run_gone

_LOCK_SESSION = "select active_run_key from sessions where project_id = $1 and id = $2 for update"

_LOCK_RUN = f"select {RECORD_COLUMNS}, runs.output, runs.messages, runs.carried from runs where key = $1 for update"  # noqa: S608

# After the lock: a statement of its own sees what was appended while it was waited for.
_NEXT_SEQ = """
select greatest(next_seq, (select coalesce(max(seq) + 1, 0) from run_events where run_key = $1)) from runs
where key = $1"""

_KEEP_ANSWERS = "update runs set output = $2 where key = $1"

# Opens the next segment; an idle session's run is ready, and its node's at once when it has a place.
_CONTINUE = f"""
update runs set output = $2, segment = segment + 1, segment_seq = next_seq, takeovers = 0, ready = $3,
                status = case when $3 and $4::text is not null then 'RUNNING' else 'PENDING' end,
                node_id = case when $3 then $4 end,
                epoch = epoch + case when $3 and $4::text is not null then 1 else 0 end
where key = $1 returning {RECORD_COLUMNS}"""  # noqa: S608 - our own text

_TAKE_TURN = "update sessions set active_run_key = $3, updated_at = now() where project_id = $1 and id = $2"

_ASK = "update runs set cancel_asked_at = coalesce(cancel_asked_at, now()) where key = $1"

_CANCEL = """
with done as (
    update runs set status = 'CANCELLED', output = $2, messages = $3, carried = null, next_seq = $4 + 1, ready = false,
                    cancel_asked_at = coalesce(cancel_asked_at, now()), ended_at = now(),
                    usage = coalesce(usage, '[]') || $7::text::jsonb
    where key = $1 returning epoch, project_id, user_id, kind, component_id, usage, ended_at
), counted as (
    insert into usage_deltas (project_id, day, user_id, kind, component_id, runs, usage)
    select project_id, ended_at::date, user_id, kind, component_id, 1, usage from done
)
insert into run_events (run_key, seq, epoch, project_id, user_id, name, event)
select $1, $4, epoch, project_id, user_id, $5, $6 from done"""

_COUNT_TOKENS = """
update sessions set input_tokens = input_tokens + $3, output_tokens = output_tokens + $4
where project_id = $1 and id = $2"""

_CANCEL_CHILDREN = """
update runs set status = 'CANCELLED', ended_at = now()
where root_key = $1 and parent_key is not null and status in ('RUNNING', 'PAUSED')"""

_SAID = "select seq, name, event as data from run_events where run_key = $1 and seq >= $2 order by seq"

PROMOTE_NEXT = """
with next as (
    select key from runs
    where project_id = $1 and session_id = $2 and status = 'PENDING' and parent_key is null and not ready
    order by position limit 1
), promoted as (
    update runs set ready = true from next where runs.key = next.key
)
update sessions set active_run_key = (select key from next), updated_at = now()
where project_id = $1 and id = $2 returning active_run_key"""

_LATE_CANCELS = f"""
select {RECORD_COLUMNS} from runs
where status = 'PAUSED' and cancel_asked_at is not null and parent_key is null
  and (kind, component_id) in (select * from unnest($1::text[], $2::text[]))"""  # noqa: S608 - our own text

_REMEMBER_CANCEL = """
insert into run_cancellations (project_id, run_id) values ($1, $2)
on conflict (project_id, run_id) do update set created_at = now()"""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A run that nobody worked on and that a cancel ended: its answer, its last event, and whose turn it is next."""

    record: RunRecord
    answer: Answer
    event: Event
    next_key: UUID | None


@dataclass(frozen=True, slots=True)
class Continuation:
    """What became of a call to continue a run: the run as it stands, and whether this very call made it go on."""

    record: RunRecord
    is_moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAtRest:
    """How a run ends that nobody works on.

    Attributes:
        output, messages: what is kept of it.
        event: its last one.
        usage: the tokens of a segment that was begun and let go.
    """

    output: bytes
    messages: bytes | None
    event: Event
    usage: Usage = field(default_factory=list)


CancelledRun = Callable[[RunRecord, Answer, list[Event], int], EndAtRest]
"""Makes the end of a run that nobody works on.

It is given the run, what it rests with, the events of a segment that was begun and let go, and its next sequence
number.
"""


class RunMoves:
    """The statements by which callers move a run on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def proceed(
        self,
        connection: Connection,
        record: RunRecord,
        *,
        answer: Callable[[bytes], tuple[bytes, bool]],
        node_id: str | None,
        waits: bool,
    ) -> Continuation | None:
        """Continue a run, in the caller's transaction.

        Args:
            connection: of the transaction.
            record: the run as it was found.
            answer: lays the caller's answers into the stored output, and says whether nothing is left to answer;
                what it raises leaves everything as it was.
            node_id: the node that would run it at once, or None.
            waits: whether it waits for its turn when its session is busy.

        Returns:
            What became of it: not moved are a run that was not paused, and one with `answer` left open. None when
            its session is busy and it does not wait.
        """
        active_key = await connection.fetchval(_LOCK_SESSION, record.project_id, record.session_id)
        row = await connection.fetchrow(_LOCK_RUN, record.key)
        if row is None:
            raise run_gone()
        current = read_record(row)
        if current.status is not RunStatus.PAUSED:
            return Continuation(current, is_moved=False)
        output, is_complete = answer(row["output"])
        if not is_complete:
            await connection.execute(_KEEP_ANSWERS, record.key, output)
            return Continuation(current, is_moved=False)
        if active_key is not None and not waits:
            return None
        is_ready = active_key is None
        if is_ready:
            await connection.execute(_TAKE_TURN, record.project_id, record.session_id, record.key)
        continued = await connection.fetchrow(_CONTINUE, record.key, output, is_ready, node_id)
        assert continued is not None
        return Continuation(read_record(continued), is_moved=True)

    async def cancel(self, record: RunRecord, *, end: CancelledRun) -> Cancelled | RunRecord:
        """Cancel a run: end it when nobody works on it, else leave word for the node that does.

        Returns:
            What it ended with, or the run as it stands: running and asked to end, or ended before.
        """
        async with self._database.transaction() as connection:
            active_key = await connection.fetchval(_LOCK_SESSION, record.project_id, record.session_id)
            row = await connection.fetchrow(_LOCK_RUN, record.key)
            if row is None:
                raise run_gone()
            current = read_record(row)
            if current.status is RunStatus.RUNNING:
                await connection.execute(_ASK, current.key)
            if current.status not in (RunStatus.PENDING, RunStatus.PAUSED):
                return current
            stored = Answer(current.status, row["output"], row["messages"], row["carried"])
            seq = await connection.fetchval(_NEXT_SEQ, current.key)
            logged: list[Event] = []
            if current.status is RunStatus.PENDING:  # perhaps a node had begun with this segment and let it go
                rows = await connection.fetch(_SAID, current.key, current.segment_seq)
                logged = [Event(**dict(row)) for row in rows]
            made = end(current, stored, logged, seq)
            event = made.event
            await connection.execute(
                _CANCEL,
                *(current.key, made.output, made.messages, event.seq, event.name, event.data),
                dump_json(made.usage).decode(),
            )
            await connection.execute(_CANCEL_CHILDREN, current.key)
            if made.usage:
                used = sum_tokens(made.usage)
                tokens = used["input_tokens"], used["output_tokens"]
                await connection.execute(_COUNT_TOKENS, record.project_id, record.session_id, *tokens)
            next_key = None
            if active_key == current.key:
                next_key = await connection.fetchval(PROMOTE_NEXT, current.project_id, current.session_id)
        return Cancelled(current, Answer(RunStatus.CANCELLED, made.output, made.messages), event, next_key)

    async def list_late_cancels(self, components: Iterable[tuple[str, str]]) -> list[RunRecord]:
        """Return runs of some (kind, id) pairs that paused while somebody cancelled them."""
        kinds, ids = zip(*components, strict=True)
        return [read_record(row) for row in await self._database.fetch(_LATE_CANCELS, kinds, ids)]

    async def remember_cancel(self, project_id: str, run_id: str) -> None:
        """Keep that a run which nobody knows yet is to be cancelled when it comes; retention removes it after a day."""
        await self._database.execute(_REMEMBER_CANCEL, project_id, run_id)
