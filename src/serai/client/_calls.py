"""One row of the operations table, and one call of it with its arguments in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

from serai.wire.arguments import ArgumentError, checked_text

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

Headers = Mapping[str, str]


class RunCall(Enum):
    """What a call does to a run; the ways to recover from a lost answer differ."""

    CREATE = "create"
    CONTINUE = "continue"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReference:
    """The run a call is about: where to ask for it when the answer is lost.

    Attributes:
        kind: what the call does to the run.
        path: the run's path.
        run_id: its id, chosen by the client or known from before.
        session_id: its session, for servers that need it to find a run.
        waits: whether the caller wants the run's end; background runs do not wait.
        timeout_s: how long to wait for the end once the answer was lost; None for the client's default.
        after: the id of the last event the caller has.
        is_content_only: whether the caller wants only the pieces of the answer, and how the run ends.
    """

    kind: RunCall
    path: str
    run_id: str
    session_id: str | None = None
    waits: bool = True
    timeout_s: float | None = None
    after: str | None = None
    is_content_only: bool = False


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file as it goes with a form."""

    filename: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a call puts where: path, query, form or JSON body, headers.

    Attributes:
        form: values by name; a ``partial`` is one that reads files.
        file: reads what goes with the form, as its part ``file``.
        answer: what the answer is read as, where that depends on the arguments.
        flow: takes the `Core` and the call, and carries it out, where that takes more than one request.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    form: Mapping[str, object] | None = None
    file: Callable[[], FilePart] | None = None
    json: object = None
    headers: Headers | None = None
    run: RunReference | None = None
    answer: Answer[Any] | None = None
    flow: Callable[[Any, Call[Any]], Generator[Any, Any, Any]] | None = None

    @property
    def reads_files(self) -> bool:
        """Whether files are read to make the request."""
        return self.file is not None or any(isinstance(value, partial) for value in (self.form or {}).values())


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """What an answer is read as; ``Result`` is that to a type checker.

    Attributes:
        place: where its class is, as ``module:name`` below ``serai.wire``, for it is loaded late; None for no answer.
        many: whether the answer is a list of these.
        streams: whether it is a stream of events, each of one of these classes.
        paged_by: of the items of a list that is read page by page: the member by which they are told apart.
    """

    place: str | None = None
    many: bool = False
    streams: bool = False
    paged_by: str | None = None

    def __str__(self) -> str:
        name = str(self.place and self.place.partition(":")[2])
        return f"list[{name}]" if self.many else name


NOTHING: Answer[None] = Answer()
"""An operation that answers nothing."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """An operation with its arguments: all that is needed to send it."""

    operation: Row[..., Result]
    arguments: Arguments

    @property
    def answer(self) -> Answer[Any]:
        """What its answer is read as."""
        return self.arguments.answer or self.operation.answer

    @property
    def target(self) -> str:
        """The path and query of the request; raises `ArgumentError` for a value that has no place in them."""
        target = fill_path(self.operation.path, self.arguments.path)
        query = [(name, text) for name, value in self.arguments.query.items() for text in _query_texts(name, value)]
        return f"{target}?{urlencode(query)}" if query else target


class Row(Generic[Parameters, Result]):
    """One row of the table. Calling it with a user's arguments gives a `Call`; nothing is sent.

    Attributes:
        name: the name in the table.
        method: the HTTP method.
        path: the path, its parameters in braces.
        answer: what the answer is read as.
        arrange: puts a user's arguments where they belong.
        signature: what `help` and editors show of the clients' methods.
        doc: likewise.
    """

    __slots__ = ("answer", "arrange", "doc", "method", "name", "path", "signature")

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        answer: Answer[Result],
        arrange: Callable[..., Arguments],
        *,
        signature: inspect.Signature,
        doc: str,
    ) -> None:
        self.name = name
        self.method = method
        self.path = path
        self.answer = answer
        self.arrange = arrange
        self.signature = signature.replace(return_annotation=str(answer))
        self.doc = doc


class Operation(Row[Parameters, Result]):
    """A row whose parameters are those of the function that arranges them."""

    __slots__ = ()

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Call[Result]:
        return Call(self, self.arrange(*args, **kwargs))


def fill_path(template: str, values: Mapping[str, str]) -> str:
    """Return a path with its parameters percent-encoded.

    Raises:
        ArgumentError: a value is empty or a dot segment, and would lead to another path; or it is no valid text.
    """
    for name, value in values.items():
        if value in {"", ".", ".."}:
            raise ArgumentError(f"{name} must not be {value!r}: it is part of the URL's path")
    return template.format_map({name: quote(checked_text(name, value), safe="") for name, value in values.items()})


def _query_texts(name: str, value: object) -> list[str]:
    """Return what a member of a query is sent as: None not at all, a list under its name repeated."""
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return [text for item in value for text in _query_texts(name, item)]
    return [str(value).lower() if isinstance(value, bool) else checked_text(name, str(value))]
