"""What the docs promise: every setting, error code and command is on its page, and public names are what was meant."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import serai
from docs.generate import REFERENCE, pages_of_demo, render_all
from serai.cli import app
from serai.cli.target import load_target
from serai.demo.guide import PAGES as PAGES_OF_DEMO
from serai.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PUBLIC_NAMES = {
    "serai": {
        "AgentComponent",
        "AgentDataClient",
        "AgentOS",
        "AgentOSClient",
        "AsyncAgentDataClient",
        "RecordIndex",
        "ask_user",
        "tool",
        "RunDeps",
        "Schedule",
        "SyncAgentOSClient",
        "Team",
        "Condition",
        "Knowledge",
        "Loop",
        "Memory",
        "Parallel",
        "Router",
        "Step",
        "StepInput",
        "StepOutput",
        "Steps",
        "Workflow",
        "__version__",
    },
    "serai.testing": {
        "Asked",
        "HashedEmbeddingModel",
        "Rule",
        "ScriptError",
        "ScriptedModel",
        "ToolCall",
        "ToolResult",
        "Turn",
        "provider_error",
        "serving",
    },
    "serai.demo": {"build_demo"},
}


@pytest.mark.parametrize("page", ["settings.md", "cli.md", "errors.md", "http-api.md", "compatibility.md", "series.md"])
def test_the_reference_page_says_what_the_code_says(page):
    assert (REFERENCE / page).read_text() == render_all()[page], "run `just docs`"


def test_the_demo_answers_from_the_pages_that_there_are():
    linked = {link.name: link.resolve() for link in PAGES_OF_DEMO.iterdir()}
    assert linked == {name: page.resolve() for name, page in pages_of_demo().items()}, "run `just docs`"


def test_every_public_exception_is_drawn_in_the_tree_of_errors():
    from serai import errors

    tree = (errors.__doc__ or "").split()
    names = [
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert [name for name in names if name not in tree] == []


@pytest.mark.parametrize("module", PUBLIC_NAMES)
def test_public_names_are_those_that_were_meant(module):
    assert set(importlib.import_module(module).__all__) == PUBLIC_NAMES[module]


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES["serai"]))
def test_every_public_name_can_be_had(name):
    assert getattr(serai, name) is not None


def test_the_defaults_that_flags_show_are_those_of_the_settings():
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined] # a group
    shown = {p.name: p.show_default for p in serve.params if isinstance(getattr(p, "show_default", None), str)}
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    wrong = {
        name: text for name, text in shown.items() if defaults[name] is not None and not _agree(text, defaults[name])
    }
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_docs_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_named_in_the_docs_exist(page):
    known = {f"SERAI_{name.upper()}" for name in Settings.model_fields} | {"SERAI_URL", "SERAI_TEST_POSTGRES"}
    assert set(re.findall(r"\bSERAI_[A-Z_]+[A-Z]\b", page.read_text())) <= known


def test_the_example_of_an_os_can_be_served(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    example = load_target(str(ROOT / "examples" / "my_os.py"), settings=Settings())
    assert list(example.agents) == ["assistant"]


def test_the_example_of_schedules_is_one(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    page = (ROOT / "docs" / "how-to" / "run-on-a-schedule.md").read_text()
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    assert [schedule.name for schedule in names["os"].schedules] == ["assistant @hourly", "morning"]
    called = {name: getattr(serai.SyncAgentOSClient, name) for name in re.findall(r"client\.(\w+)\(", second)}
    assert called.keys() == {"create_schedule", "list_schedule_runs"}


def _agree(text: str, default: object) -> bool:
    return text == str(default) or (isinstance(default, float) and float(text) == default)
