"""Calls written for the published client fit ours: the same methods, with the same parameters in the same order."""

from __future__ import annotations

import inspect
import json
import subprocess

import pytest

from benchmarks.environments import clean_environment
from serai.client import AgentOSClient, SyncAgentOSClient
from tests.compat.clients.roster import FOLDER
from tests.compat.published_clients import python_or_not_run


@pytest.fixture(scope="module")
def published() -> dict[str, list[str]]:
    """Return the names of the parameters of each method about components and their runs."""
    python = python_or_not_run(FOLDER / "agno_3" / "requirements.txt")
    command = [str(python), str(FOLDER / "agno_signatures.py")]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True)
    methods: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    words = ("agent", "team", "workflow", "get_config")
    return {name: names for name, names in methods.items() if any(word in name for word in words)}


@pytest.mark.parametrize("ours", [AgentOSClient, SyncAgentOSClient])
def test_methods_take_what_the_published_ones_take(published: dict[str, list[str]], ours: type) -> None:
    assert len(published) == 26
    differing = {}
    for name, wanted in published.items():
        parameters = inspect.signature(getattr(ours, name)).parameters
        own = [one for one, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY][1:]
        expected = ["options" if one == "kwargs" else one for one in wanted]
        if own[: len(expected) - 1] != expected[:-1] or expected[-1] not in own:
            differing[name] = (own, expected)
    assert differing == {}
