"""What requests say about evals: the JSON bodies, and the filters of a list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request

from serai.domain.evals import JUDGED_TYPES, EvalType
from serai.domain.json_text import is_too_deep
from serai.errors import InvalidFieldError, RequestError
from serai.evals.spec import MEMBERS_OF, EvalSpec
from serai.server.bodies import parse_json
from serai.server.components import KINDS
from serai.server.scope import check_text, read_named
from serai.storage.evals import EvalFilter

LONGEST_NAME: Final = 255
MOST_ITERATIONS: Final = 100
MOST_WARMUPS: Final = 10
MOST_DELETED: Final = 1000

_NEEDED: Final = {
    EvalType.ACCURACY: ("expected_output", "expected_output is required for accuracy evaluation"),
    EvalType.AGENT_AS_JUDGE: ("criteria", "criteria is required for agent-as-judge evaluation"),
    EvalType.RELIABILITY: ("expected_tool_calls", "expected_tool_calls is required for reliability evaluations"),
}
_SPEC_MEMBERS: Final = [name for name in EvalSpec.__struct_fields__ if name != "judge"]
_DEFAULTS: Final = EvalSpec(input="")
_JUDGE: Final = ("model_id", "model_provider")
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class EvalBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request says about a new eval; null is the same as left out."""

    eval_type: EvalType
    input: Annotated[str, Meta(min_length=1)]
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    user_id: str | None = None
    name: Name | None = None
    model_id: str | None = None
    model_provider: str | None = None
    num_iterations: Annotated[int, Meta(ge=1, le=MOST_ITERATIONS)] | None = None
    warmup_runs: Annotated[int, Meta(ge=0, le=MOST_WARMUPS)] | None = None
    expected_output: str | None = None
    criteria: str | None = None
    additional_guidelines: str | None = None
    additional_context: str | None = None
    scoring_strategy: Literal["binary", "numeric"] | None = None
    threshold: Annotated[int, Meta(ge=1, le=10)] | None = None
    expected_tool_calls: list[str] | None = None
    expected_tool_call_arguments: dict[str, dict[str, Any] | list[dict[str, Any]]] | None = None
    allow_additional_tool_calls: bool | None = None
    background: bool = False

    @property
    def component(self) -> tuple[str, str]:
        """Kind and id of what is to be measured.

        Raises:
            RequestError: none is named, or two.
        """
        if self.agent_id and self.team_id:
            raise RequestError("Only one of agent_id or team_id must be provided")
        if self.agent_id:
            return "agent", self.agent_id
        if self.team_id:
            return "team", self.team_id
        raise RequestError("One of agent_id or team_id must be provided")

    @property
    def judge(self) -> tuple[str, str] | None:
        """Model and provider of the judge; None: none is named in full, or the type has no judge."""
        if self.eval_type in JUDGED_TYPES and self.model_id and self.model_provider:
            return self.model_id, self.model_provider
        return None


class RenameBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a request says about a stored eval."""

    name: Name


class DeleteBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which evals a request removes."""

    eval_run_ids: Annotated[list[str], Meta(min_length=1, max_length=MOST_DELETED)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A new eval as a body asks for it.

    Attributes:
        spec: what is to be measured.
        ignored: members that its type has no use for; named in a response header.
    """

    body: EvalBody
    spec: EvalSpec
    ignored: Collection[str]


_decode_new: Final = msgspec.json.Decoder(EvalBody)
_decode_rename: Final = msgspec.json.Decoder(RenameBody)
_decode_delete: Final = msgspec.json.Decoder(DeleteBody)


def read_new(raw: bytes) -> Asked:
    """Parse the body of a new eval.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is missing, unknown or wrong.
        RequestError: it names no component or two, or lacks what its type needs.
    """
    body = parse_json(_decode_new, raw)
    if body.workflow_id is not None:
        msg = "Workflows cannot be measured; name an agent or a team, such as one of the workflow's steps"
        raise InvalidFieldError.of(("body", "workflow_id"), msg, kind="unsupported")
    if is_too_deep(body.expected_tool_call_arguments):
        loc = ("body", "expected_tool_call_arguments")
        raise InvalidFieldError.of(loc, "It is nested too deeply", kind="too_deep")
    for member in ("name", "user_id", *_JUDGE):
        check_text(getattr(body, member) or "", ("body", member))
    needed, text = _NEEDED.get(body.eval_type, ("", ""))
    if needed and getattr(body, needed) in (None, ""):
        raise RequestError(text)
    used = {name: value for name in _SPEC_MEMBERS if (value := getattr(body, name)) is not None}
    return Asked(body, EvalSpec(**used, judge=body.judge), _ignored(body))


def read_name(raw: bytes) -> str:
    """Parse the body of a change.

    Raises:
        InvalidFieldError: it is no JSON object, or the name is missing or wrong.
    """
    name = parse_json(_decode_rename, raw).name
    return check_text(name, ("body", "name"))


def read_ids(raw: bytes) -> list[str]:
    """Parse the body that names evals.

    Raises:
        InvalidFieldError: it is no JSON object, or the ids are missing or wrong.
    """
    return parse_json(_decode_delete, raw).eval_run_ids


def read_filter(request: Request) -> EvalFilter:
    """Return which evals a list is to have; an empty value is as good as none.

    Raises:
        InvalidFieldError: `type` is no kind of components.
        ValueError: `eval_types` has an unknown type; its text says so.
    """
    query = request.query_params
    kind = query.get("type") or None
    if kind is not None and kind not in KINDS:
        msg = f"Input should be {', '.join(map(repr, KINDS))}"
        raise InvalidFieldError.of(("query", "type"), msg, kind="enum", given=kind[:100])
    names = [name.strip() for value in query.getlist("eval_types") for name in value.split(",") if name.strip()]
    known = [one.value for one in EvalType]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"Invalid eval_type: '{unknown[0][:100]}'. Valid types: {', '.join(known)}")
    return EvalFilter(
        user_id=user_of(request),
        kind=kind,
        eval_types=[EvalType(name) for name in names] or None,
        **{name: _named(request, name) for name in ("agent_id", "team_id", "workflow_id", "model_id")},
    )


def user_of(request: Request) -> str | None:
    """Return whose evals a request is limited to; None is everybody's."""
    return _named(request, "user_id")


def _named(request: Request, name: str) -> str | None:
    return read_named(request, name) or None


def _ignored(body: EvalBody) -> list[str]:
    """Return the members that say something which the eval's type does not use."""
    optional = {name for names in MEMBERS_OF.values() for name in names}
    ignored = {
        name
        for name in optional - {*MEMBERS_OF[body.eval_type]}
        if getattr(body, name) not in (None, getattr(_DEFAULTS, name))
    }
    if body.judge is None:
        ignored |= {name for name in _JUDGE if getattr(body, name)}
    return sorted(ignored)
