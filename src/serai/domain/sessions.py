"""A session as values: what is stored of it, what is asked of the list of them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be made.

    Attributes:
        kind: agent, team or workflow.
        component_id: of the component it belongs to; None leaves that to its first run.
        name: None has it called by its first message.
        state, metadata: JSON objects.
    """

    project_id: str
    id: str
    user_id: str | None
    kind: str
    component_id: str | None
    name: str | None
    state: bytes | None
    metadata: bytes | None


class SessionRecord(NamedTuple):
    """A session as stored, without its runs.

    Attributes:
        first_message: what its first run was asked, cut.
        state, metadata, summary: JSON objects.
        has_runs: a run was begun in it.
    """

    id: str
    user_id: str | None
    kind: str
    component_id: str | None
    name: str | None
    first_message: str | None
    state: bytes | None
    metadata: bytes | None
    summary: bytes | None
    input_tokens: int
    output_tokens: int
    has_runs: bool
    created_at: datetime
    updated_at: datetime

    @property
    def title(self) -> str:
        """What it is called: by its name, else by its first message."""
        return self.name or self.first_message or ""


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A session and what its runs have left.

    Attributes:
        record: the session.
        messages: of each run that has any, JSON, oldest first.
        usage: the tokens of each run that rests, JSON lists one after the other, with commas between them.
    """

    record: SessionRecord
    messages: Sequence[bytes] = ()
    usage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanges:
    """What is to be changed of a session; None leaves a member as it is.

    Attributes:
        name: an empty one has it called by its first message again.
        state, metadata, summary: JSON objects, which take the place of those there are.
    """

    name: str | None = None
    state: bytes | None = None
    metadata: bytes | None = None
    summary: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing is to be changed."""
        return (self.name, self.state, self.metadata, self.summary) == (None, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuestion:
    """Which sessions are wanted, in which order.

    Attributes:
        project_id: whose.
        user_id, kind, component_id: those of this user, kind or component alone.
        text: those that are called so, or partly so; upper and lower case are the same.
        column: a key of `serai.storage.session_lists.ORDERS`.
        is_descending: the greatest first.
        limit: how many at most.
        offset: how many to leave out.
    """

    project_id: str
    user_id: str | None = None
    kind: str | None = None
    component_id: str | None = None
    text: str | None = None
    column: str = "created_at"
    is_descending: bool = True
    limit: int = 20
    offset: int = 0

    @property
    def filters(self) -> Mapping[str, str]:
        """Columns of the table and what they are to be."""
        named = {"user_id": self.user_id, "kind": self.kind, "component_id": self.component_id}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of sessions.

    Attributes:
        records: in the order that was asked for.
        total: how many there are on all pages.
        is_exact: False: there are more than `total`.
    """

    records: Sequence[SessionRecord]
    total: int
    is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs of a session are wanted.

    Attributes:
        since: begun then or later.
        until: begun before.
        statuses: of one of these; None is of any.
    """

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[str] | None = None
