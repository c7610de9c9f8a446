"""What requests about memories say in their bodies and queries, every member checked and refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.requests import Request

from serai.domain.memories import LONGEST_MEMORY, LONGEST_TOPIC, MOST_TOPICS, without_repeats
from serai.errors import InvalidFieldError, RequestError
from serai.server.bodies import parse_open_json, read_body
from serai.server.scope import check_name, check_text
from serai.storage.memory_lists import MemoryFilter

MOST_DELETED: Final = 10_000
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_MEMORY)]
_Topics = Annotated[list[str], msgspec.Meta(max_length=MOST_TOPICS)]


class MemoryBody(msgspec.Struct):
    """A memory as a request gives it."""

    memory: _Text
    user_id: str | None = None
    topics: _Topics | None = None


class DeletedBody(msgspec.Struct):
    """Which memories a request removes."""

    memory_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_DELETED)]
    user_id: str | None = None


class OptimizeBody(msgspec.Struct):
    """Whose memories are to be condensed, by which model, and whether to leave it at a preview."""

    user_id: str | None = None
    model: str | None = None
    apply: bool = True


Body = TypeVar("Body", MemoryBody, DeletedBody, OptimizeBody)
_DECODERS: Final[dict[type, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in (MemoryBody, DeletedBody, OptimizeBody)
}


async def read(request: Request, kind: type[Body]) -> tuple[Body, bytes, list[str]]:
    """Return a request's body, as sent, too, and the names of its members that mean nothing here.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is missing or wrong.
    """
    raw = await read_body(request)
    body, ignored = parse_open_json(_DECODERS[kind], raw)
    return body, raw, ignored


def check_memory(body: MemoryBody) -> tuple[str, tuple[str, ...] | None]:
    """Return text and topics that can be stored; no topics: None.

    Raises:
        InvalidFieldError: a topic is empty or too long, or the text cannot be stored.
    """
    check_text(body.memory, ("body", "memory"))
    if body.topics is None:
        return body.memory, None
    for position, topic in enumerate(body.topics):
        loc = ("body", "topics", position)
        if not 1 <= len(topic) <= LONGEST_TOPIC:
            msg = f"String should have from 1 to {LONGEST_TOPIC} characters"
            raise InvalidFieldError.of(loc, msg, kind="string_length", given=topic)
        check_text(topic, loc)
    return body.memory, without_repeats(body.topics)


def check_user(user_id: str | None) -> str:
    """Return the user whom a body must name.

    Raises:
        RequestError: it does not.
        InvalidFieldError: the name cannot be stored.
    """
    if not user_id:
        raise RequestError("User ID is required")
    return check_name(user_id, ("body", "user_id"))


def user_of(request: Request) -> str | None:
    """Return the user to whom a query keeps, None: all."""
    return _text_of(request, "user_id")


def filter_of(request: Request) -> MemoryFilter:
    """Return which memories a query asks for; topics are separated by commas, or come one in a parameter."""
    topics = [topic for text in request.query_params.getlist("topics") for topic in text.split(",") if topic]
    for topic in topics:
        check_text(topic, ("query", "topics"))
    return MemoryFilter(
        user_id=user_of(request),
        agent_id=_text_of(request, "agent_id"),
        team_id=_text_of(request, "team_id"),
        topics=topics,
        search=_text_of(request, "search_content") or "",
    )


def _text_of(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    return None if text is None else check_text(text, ("query", name))
