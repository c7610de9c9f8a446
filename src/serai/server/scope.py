"""Which project and whose things a request speaks of, and which key makes it safe to repeat."""

from __future__ import annotations

from starlette.requests import Request

from serai.domain.stored_text import is_storable
from serai.errors import InvalidFieldError, RequestError
from serai.server.middleware import find_header
from serai.server.openapi import header_parameter, query_parameter

DEFAULT_PROJECT = "default"
PROJECT_PARAMETERS = (
    query_parameter(
        "project_id", {"type": "string"}, "The project; else the header `Project-Id`, else the default project."
    ),
    header_parameter("Project-Id", "The project."),
)
KEY_PARAMETER = header_parameter("Idempotency-Key", "The same key and request again within a day get the first answer.")
LONGEST_NAME = 200  # characters; three of them must fit into one index entry


def project_of(request: Request) -> str:
    """Return the request's project: the query's `project_id`, else the header `Project-Id`, else the default.

    Raises:
        RequestError: query and header name different projects.
        InvalidFieldError: the name is too long or cannot be stored.
    """
    named = request.query_params.get("project_id") if request.scope["query_string"] else None
    header = _header(request, b"project-id")
    if named and header and named != header:
        raise RequestError(
            f"The header Project-Id ({header[:LONGEST_NAME]!r}) and project_id ({named[:LONGEST_NAME]!r}) disagree: "
            "send one of them."
        )
    project = named or header
    if not project:
        return DEFAULT_PROJECT
    return check_name(project, ("query" if named else "header", "project_id"))


def idempotency_key_of(request: Request) -> str | None:
    """Return the request's `Idempotency-Key`, None when it is absent or empty.

    Raises:
        InvalidFieldError: it is too long or cannot be stored.
    """
    key = _header(request, b"idempotency-key")
    return check_name(key, ("header", "Idempotency-Key")) if key else None


def read_user(request: Request) -> str | None:
    """Return the user to whom a request's query keeps, None for all; nobody has an empty name."""
    return read_named(request, "user_id")


def read_named(request: Request, name: str) -> str | None:
    """Return what a member of the query is to be equal to, None when anything will do.

    Raises:
        InvalidFieldError: it cannot be stored, so that nothing is equal to it.
    """
    text = request.query_params.get(name)
    return check_name(text, ("query", name)) if text else text


def _header(request: Request, name: bytes) -> str | None:
    value = find_header(request.scope, name)
    return None if value is None else value.decode("latin-1")


def check_name(name: str, loc: tuple[str | int, ...]) -> str:
    """Return a name that can be stored as it is.

    Raises:
        InvalidFieldError: it is empty, too long, no name in an address, or holds U+0000 or a lone surrogate.
    """
    if name.strip() in (".", "..") or (name and not name.strip()):
        msg = "Blanks alone, '.' and '..' cannot stand in an address"
        raise InvalidFieldError.of(loc, msg, kind="string_name", given=name)
    if not name:
        raise InvalidFieldError.of(loc, "String should have at least 1 character", kind="string_too_short", given=name)
    if len(name) > LONGEST_NAME:
        msg = f"String should have at most {LONGEST_NAME} characters"
        raise InvalidFieldError.of(loc, msg, kind="string_too_long", given=name)
    return check_text(name, loc)


def check_text(text: str, loc: tuple[str | int, ...]) -> str:
    """Return a text that can be stored as it is.

    Raises:
        InvalidFieldError: it holds U+0000 or a lone surrogate.
    """
    if not is_storable(text):
        raise InvalidFieldError.of(loc, "U+0000 and lone surrogates cannot be stored", kind="string_unicode")
    return text
