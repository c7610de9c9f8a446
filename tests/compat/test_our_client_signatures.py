"""Calls written for the published client fit ours: the same methods, with the same parameters in the same order."""

from __future__ import annotations

import inspect
import json
import subprocess
from dataclasses import dataclass

import pytest

from benchmarks.environments import clean_environment
from serai.client import AgentOSClient, SyncAgentOSClient
from tests.compat.clients.roster import FOLDER
from tests.compat.published_clients import python_or_not_run

BOTH = pytest.mark.parametrize("ours", [AgentOSClient, SyncAgentOSClient])
RUNS = ("agent", "team", "workflow", "get_config")
STATE = ("session", "memory", "memories", "metrics", "eval", "migrate", "knowledge", "trace")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a published method; ``default`` is JSON text, None without one."""

    name: str
    is_keyword: bool
    default: str | None


@pytest.fixture(scope="module")
def published() -> dict[str, list[Parameter]]:
    """Return the parameters of each published method."""
    python = python_or_not_run(FOLDER / "agno_3" / "requirements.txt")
    command = [str(python), str(FOLDER / "agno_signatures.py")]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True)
    methods: dict[str, list[list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return {
        name: [Parameter(one, bool(is_keyword), default) for one, is_keyword, default in parameters]
        for name, parameters in methods.items()
    }


@BOTH
def test_methods_about_runs_take_what_the_published_ones_take(
    published: dict[str, list[Parameter]], ours: type
) -> None:
    methods = {name: wanted for name, wanted in published.items() if any(word in name for word in RUNS)}
    assert len(methods) == 26
    differing = {}
    for name, wanted in methods.items():
        parameters = inspect.signature(getattr(ours, name)).parameters
        own = [one for one, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY][1:]
        expected = ["options" if one.name == "kwargs" else one.name for one in wanted]
        if own[: len(expected) - 1] != expected[:-1] or expected[-1] not in own:
            differing[name] = (own, expected)
    assert differing == {}


@BOTH
def test_methods_about_state_take_what_the_published_ones_take_with_the_same_defaults(
    published: dict[str, list[Parameter]], ours: type
) -> None:
    methods = {name: wanted for name, wanted in published.items() if any(word in name for word in STATE)}
    assert len(methods) == 42
    assert set(published) == methods.keys() | {name for name in published if any(word in name for word in RUNS)}
    differing = {}
    for name, wanted in methods.items():
        own = [_describe(parameter) for parameter in inspect.signature(getattr(ours, name)).parameters.values()][1:]
        positional = [one for one in wanted if not one.is_keyword]
        if own[: len(positional)] != positional or not set(wanted) <= set(own):
            differing[name] = (own, wanted)
    assert differing == {}


def _describe(parameter: inspect.Parameter) -> Parameter:
    default = None if parameter.default is parameter.empty else json.dumps(parameter.default)
    return Parameter(parameter.name, parameter.kind is parameter.KEYWORD_ONLY, default)
