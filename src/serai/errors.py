"""Every exception Serai raises. Branches follow what the caller can do about it.

SeraiError
├── RetryLaterError              503  wait, then send the same request again
│   ├── DatabaseUnavailableError 503  PostgreSQL cannot be reached just now
│   └── ShuttingDownError        503  this node is draining
├── RequestError                 400  the request must be changed
│   ├── NotFoundError            404
│   ├── ConflictError            409
│   ├── PreconditionFailedError  412
│   ├── BodyTooLargeError        413
│   └── InvalidFieldError        422  names each field (``issues``)
├── AccessError                  403  the caller lacks the right
│   └── AuthenticationError      401
├── ConfigurationError                the operator must change a setting (one paragraph says which)
├── FencedError                       another node owns the run now: stop working on it
├── ScriptError                       a test's script does not fit what was asked of it
└── RemoteServerUnavailableError      client side: the server did not answer
"""

from __future__ import annotations

from typing import Any, ClassVar


class SeraiError(Exception):
    """The root of all errors that Serai raises on purpose.

    Attributes:
        status: the HTTP status the server answers with.
        code: a stable name of the kind of error, for programs.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RetryLaterError(SeraiError):
    """The request is fine and the server cannot take it now.

    Attributes:
        retry_after_s: seconds to wait, sent as ``Retry-After``.
    """

    status = 503
    code = "retry_later"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DatabaseUnavailableError(RetryLaterError):
    """PostgreSQL cannot be reached, or dropped the connection in mid-statement."""

    code = "database_unavailable"


class ShuttingDownError(RetryLaterError):
    """This node takes no new work because it is draining."""

    code = "shutting_down"


class RequestError(SeraiError):
    """The request cannot be served as it stands; the message names what to change."""

    status = 400
    code = "bad_request"


class NotFoundError(RequestError):
    """Nothing has that id, or the caller may not know that something has."""

    status = 404
    code = "not_found"


class ConflictError(RequestError):
    """The request contradicts what is stored or running."""

    status = 409
    code = "conflict"


class PreconditionFailedError(RequestError):
    """What the request wants to change is not as its ``If-Match`` says; read it again."""

    status = 412
    code = "precondition_failed"


class BodyTooLargeError(RequestError):
    """The request body exceeds the configured limit."""

    status = 413
    code = "body_too_large"


class InvalidFieldError(RequestError):
    """One or more fields are missing or of the wrong form.

    Attributes:
        issues: one object a field: ``{"type", "loc", "msg", "input"}``, the shape FastAPI uses.
    """

    status = 422
    code = "invalid_field"

    def __init__(self, issues: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{'.'.join(str(part) for part in i['loc'])}: {i['msg']}" for i in issues))
        self.issues = issues

    @classmethod
    def of(
        cls, loc: tuple[str | int, ...], msg: str, *, kind: str = "value_error", given: Any = None
    ) -> InvalidFieldError:
        """Return the error for one field, for example ``of(("body", "message"), "Field required")``."""
        return cls([{"type": kind, "loc": list(loc), "msg": msg, "input": given}])


class AccessError(SeraiError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"


class AuthenticationError(AccessError):
    """The security key is missing or wrong."""

    status = 401
    code = "unauthenticated"


class ConfigurationError(SeraiError):
    """The server cannot start as configured; the message is one paragraph for the operator."""

    code = "configuration"


class FencedError(SeraiError):
    """A write was refused because another node owns the run now; stop working on it."""

    code = "fenced"


class ScriptError(SeraiError):
    """A scripted model was asked for something its script does not hold."""

    code = "script"


class RemoteServerUnavailableError(SeraiError):
    """The server could not be reached, timed out, or dropped the connection.

    Attributes:
        message: what happened.
        base_url: the server that was asked.
        original_error: the transport's own exception.
    """

    code = "remote_server_unavailable"

    def __init__(self, message: str, base_url: str | None = None, original_error: BaseException | None = None) -> None:
        super().__init__(message)
        self.base_url = base_url
        self.original_error = original_error
