"""The command line without a server: help, targets, flags, and how answers are shown."""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from serai.cli import app, main
from serai.cli.answer_view import AnswerView
from serai.cli.banner import print_banner, without_password
from serai.cli.flags import apply_flags, read_settings
from serai.cli.invocation import own_command
from serai.cli.json_view import JsonView
from serai.cli.lists import Columns, print_list
from serai.cli.records_work import purpose
from serai.cli.tables import facts_text, printable, size_text, table_text
from serai.cli.target import load_target
from serai.errors import ConfigurationError
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.wire.agent_events import RunCompletedEvent, RunContentEvent, RunErrorEvent, ToolCallCompletedEvent
from serai.wire.pages import PageMeta
from serai.wire.records import AgentDataIndex
from serai.wire.runs import RunMetrics, RunOutput
from serai.wire.tools import ToolCallMetrics, ToolExecution

COMMANDS = [
    "serve",
    "worker",
    "run",
    "runs",
    "runs list",
    "runs show",
    "runs follow",
    "runs cancel",
    "runs continue",
    "sessions",
    "sessions list",
    "sessions show",
    "sessions rename",
    "sessions rm",
    "memories",
    "memories list",
    "memories show",
    "memories add",
    "memories update",
    "memories rm",
    "memories topics",
    "memories stats",
    "memories optimize",
    "memories changes",
    "memories undo",
    "memories audit",
    "knowledge",
    "knowledge add",
    "knowledge list",
    "knowledge search",
    "knowledge status",
    "knowledge rm",
    "knowledge config",
    "metrics",
    "top",
    "traces",
    "traces list",
    "traces show",
    "traces stats",
    "traces search",
    "evals",
    "evals list",
    "evals show",
    "evals run",
    "evals rm",
    "evals cancel",
    "schedules",
    "schedules list",
    "schedules pause",
    "schedules resume",
    "schedules fire",
    "records",
    "records collections",
    "records indexes",
    "records export",
    "records delete",
    "retention",
    "retention show",
    "retention apply",
    "users",
    "users erase",
    "db",
    "db url",
    "db status",
    "db migrate",
    "db backup",
    "db restore",
    "db upgrade",
]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SERAI_") and name != "SERAI_TEST_RUN"]:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_parameters(command):
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    group: Any = typer.main.get_command(app)
    for name in command.split():
        group = group.commands[name]
    assert group.help
    assert [p.name for p in group.params if not p.help] == []


def test_the_list_of_commands_here_is_complete():
    group: Any = typer.main.get_command(app)
    groups = {name: command.commands for name, command in group.commands.items() if hasattr(command, "commands")}
    nested = [f"{outer} {name}" for outer, commands in groups.items() for name in commands]
    assert sorted([*group.commands, *nested]) == sorted(COMMANDS)


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("serai 0.")


@pytest.mark.parametrize(
    ("code", "target", "found"),
    [
        ("os = AgentOS(name='a')\napp = AgentOS(name='b')", "my_os_1.py", "a"),
        ("app = AgentOS(name='b')\nother = AgentOS(name='c')", "my_os_2.py", "b"),
        ("home = AgentOS(name='c')\nalias = home\napp = home.app", "my_os_3.py", "c"),
        ("one = AgentOS(name='d')\ntwo = AgentOS(name='e')", "my_os_4.py:two", "e"),
        ("one = AgentOS(name='d')\ntwo = AgentOS(name='e')", "my_os_5:one", "d"),
    ],
)
def test_the_os_of_a_file_or_module_is_found(folder, code, target, found):
    (folder / f"{target.partition(':')[0].removesuffix('.py')}.py").write_text(f"from serai import AgentOS\n{code}\n")
    assert load_target(target, settings=Settings()).name == found


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        ("", "absent.py", r"There is no file absent\.py \(looked in"),
        ("", "absent_module:os", "There is no module 'absent_module' here"),
        ("x = 1", "my_os_6.py", r"holds no AgentOS: write os = AgentOS\(agents="),
        ("x = 1", "my_os_7.py:x", r"my_os_7\.py:x is a int; it must be an AgentOS"),
        ("x = 1", "my_os_8.py:y", r"my_os_8\.py:y does not exist"),
        ("one = AgentOS()\ntwo = AgentOS()", "my_os_9.py", r"It holds: my_os_9\.py:one, my_os_9\.py:two"),
    ],
)
def test_a_target_that_names_no_os_says_what_was_found(folder, code, target, message):
    if not target.startswith("absent"):
        (folder / f"{target.partition(':')[0]}").write_text(f"from serai import AgentOS\n{code}\n")
    with pytest.raises(ConfigurationError, match=message):
        load_target(target, settings=Settings())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nonexistent_package", "ModuleNotFoundError: No module named 'nonexistent_package'"),
        ("import json; json.loads('{')", "JSONDecodeError: Expecting property name"),
        ("from pydantic_ai import Agent; Agent('nosuch:model')", "UserError: Unknown model: nosuch:model"),
        ("from pydantic_ai import Agent; Agent('openai:gpt-5-mini')", "UserError: Set the `OPENAI_API_KEY`"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines ("),
        ("raise KeyError", "KeyError ("),
        ("def broken(:", "SyntaxError: invalid syntax ("),
    ],
)
@pytest.mark.parametrize("target", ["broken_os.py", "broken_os:os"])
def test_an_error_in_the_users_own_code_is_one_paragraph_with_its_place(folder, monkeypatch, code, said, target):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delitem(sys.modules, "broken_os", raising=False)
    importlib.invalidate_caches()
    (folder / "broken_os.py").write_text(f"# mine\n{code}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_target(target, settings=Settings())
    assert caught.value.message.startswith(f"{folder / 'broken_os.py'}, line 2: {said}")
    assert "\n" not in caught.value.message
    assert caught.value.__cause__ is not None


def test_the_innermost_of_the_users_own_files_is_named(folder):
    (folder / "my_parts.py").write_text("def make():\n    raise OSError('no disk')\n")
    (folder / "my_os_10.py").write_text("import my_parts\nmy_parts.make()\n")
    with pytest.raises(ConfigurationError, match=r"my_parts\.py, line 2: OSError: no disk"):
        load_target("my_os_10.py", settings=Settings())


@pytest.mark.parametrize(("level", "has_traceback"), [("info", False), ("debug", True)])
def test_the_traceback_behind_an_error_is_shown_at_level_debug(folder, monkeypatch, capsys, level, has_traceback):
    monkeypatch.setenv("SERAI_LOG_LEVEL", level)
    monkeypatch.setattr("sys.argv", ["serai", "db", "url", "--data-dir", str(folder / "none")])
    with pytest.raises(SystemExit, match="1"):
        main()
    *before, last = capsys.readouterr().err.splitlines()
    assert last.startswith("serai: There is no database")
    assert any("Traceback" in line for line in before) is has_traceback


def test_without_a_target_the_demo_is_served():
    demo = load_target(None, settings=Settings())
    assert [(agent.id, agent.name) for agent in demo.agents.values()] == [
        ("my-agent", "My Agent"),
        ("careful-agent", "Careful Agent"),
        ("files-agent", "Files Agent"),
        ("serai-guide", "Serai Guide"),
    ]


def test_a_flag_wins_over_its_variable_and_reaches_code_that_reads_its_own_settings(monkeypatch):
    monkeypatch.setenv("SERAI_PORT", "1")
    assert read_settings(port=2, host=None).port == 2
    assert Settings().port == 2


def test_a_folder_flag_wins_over_a_url_of_the_environment(monkeypatch):
    monkeypatch.setenv("SERAI_DATABASE_URL", "postgresql://elsewhere/x")
    assert read_settings(data_dir="/tmp/x").database_url is None
    assert read_settings(data_dir="/tmp/x", database_url="postgresql://here/x").database_url is not None


def test_a_wrong_setting_is_named():
    with pytest.raises(ConfigurationError, match="SERAI_PORT: Input should be less than or equal to 65535"):
        read_settings(port=70_000)


def test_flags_come_over_the_settings_given_in_code_until_the_app_is_built():
    fixed = AgentOS(settings=Settings(max_runs=3, port=9))
    read_settings(max_runs=5)
    assert apply_flags(fixed, max_runs=5, port=None).max_runs == 5
    assert fixed.settings.max_runs == 5
    assert fixed.settings.port == 9
    built = AgentOS(settings=Settings(max_runs=3))
    assert built.app is not None
    with pytest.raises(ConfigurationError, match="--max-runs cannot take effect"):
        apply_flags(built, max_runs=5)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:secret@db:5432/serai?sslmode=require&password=x", "postgresql://ann@db:5432/serai"),
        ("postgresql:///serai?host=/run/pg", "postgresql:///serai"),
        ("postgresql://db/serai", "postgresql://db/serai"),
    ],
)
def test_a_database_url_is_shown_without_its_secrets(url, shown):
    assert without_password(url) == shown


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """Make a folder with a program called serai in it."""
    (tmp_path / "serai").touch(mode=0o755)
    return str(tmp_path)


def test_commands_to_copy_are_those_that_the_users_shell_finds(programs):
    assert own_command({"PATH": f"/nowhere:{programs}"}) == "serai"
    assert own_command({"PATH": "/nowhere"}) == "uv run serai"
    under_uv = {"PATH": f"{sys.prefix}/bin:/nowhere", "UV_RUN_RECURSION_DEPTH": "1"}
    assert own_command(under_uv) == "uv run serai"
    assert own_command(under_uv | {"PATH": f"{sys.prefix}/bin:{programs}"}) == "serai"


def test_the_banner_offers_a_command_that_can_be_copied(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    demo = load_target(None, settings=Settings())
    print_banner(demo, settings=Settings(), url="http://127.0.0.1:7777", took_s=1.0)
    assert '\n  uv run serai run my-agent "What is 2 + 2?"\n' in capsys.readouterr().out


def show(*items: object) -> tuple[str, int]:
    """Return what the view prints and the exit code."""
    out = io.StringIO()
    view = AnswerView(Console(file=out, width=200, soft_wrap=True, highlight=False))
    for item in items:
        view.show(item)
    view.close()
    return out.getvalue(), view.outcome.exit_code


TOOL = ToolExecution(
    tool_name="calculate", tool_args={"expression": "2 + 2"}, result="4", metrics=ToolCallMetrics(duration=0.012)
)


def test_an_answer_is_shown_as_it_comes_with_its_tools_and_its_cost():
    text, code = show(
        RunContentEvent(event="RunContent", content="Let me see."),
        ToolCallCompletedEvent(event="ToolCallCompleted", tool=TOOL),
        RunContentEvent(event="RunContent", content="It is "),
        RunContentEvent(event="RunContent", content="4."),
        RunCompletedEvent(
            event="RunCompleted", content="It is 4.", run_id="r1", metrics=RunMetrics(input_tokens=7, output_tokens=3)
        ),
    )
    assert code == 0
    assert text.splitlines() == [
        "Let me see.",
        '· calculate(expression="2 + 2") → 4  (12 ms)',
        "It is 4.",
        "7 tokens in, 3 out · run r1",
    ]


@pytest.mark.parametrize("url", ["notaurl", "127.0.0.1:7777"])
def test_a_url_that_is_none_is_one_paragraph(url):
    result = CliRunner().invoke(app, ["run", "my-agent", "hello", "--url", url])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"serai: --url: '{url}' is no base URL")
    assert result.stderr.count("\n") == 1


def test_a_run_that_was_not_streamed_is_shown_the_same_way():
    run = RunOutput(
        run_id="r1",
        content="It is 4.",
        tools=[TOOL],
        status="COMPLETED",
        metrics=RunMetrics(input_tokens=7, output_tokens=3),
    )
    text, code = show(run)
    assert code == 0
    assert text.splitlines() == [
        '· calculate(expression="2 + 2") → 4  (12 ms)',
        "It is 4.",
        "7 tokens in, 3 out · run r1",
    ]


def test_a_run_that_fails_says_so_and_is_no_success():
    text, code = show(RunErrorEvent(event="RunError", content="model exploded", run_id="r1"))
    assert code == 1
    assert text.splitlines() == ["error: model exploded", "run r1"]


def test_json_output_is_one_object_a_line(capsys):
    view = JsonView()
    view.show(RunContentEvent(event="RunContent", content="a\u2028b"))
    view.show(RunCompletedEvent(event="RunCompleted", run_id="r1"))
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 3
    assert '"run_id":"r1"' in lines[1]
    assert view.outcome.exit_code == 0


def test_a_page_past_the_last_one_says_so(capsys):
    columns = Columns(("NAME",), lambda item: (item.name,), "There are none.")
    print_list([], columns, as_json=False, meta=PageMeta(page=9, limit=20, total_pages=2, total_count=21))
    print_list([], columns, as_json=False, meta=PageMeta(page=9, limit=20, total_pages=0, total_count=0))
    assert capsys.readouterr() == ("", "Page 9 is past the last one, 2.\nThere are none.\n")


def test_an_answer_cannot_steer_the_terminal():
    assert printable("a\x1b[31mb\tc\n\x07\x9b") == "a\ufffd[31mb\tc\n\ufffd\ufffd"
    assert printable("a\u202eb\u2066\u200d") == "a\ufffdb\ufffd\u200d"
    assert facts_text([("user", "eve\nid: 7"), ("id", "8"), ("run", "")]) == "user:  eve id: 7\nid:    8"
    text, _ = show(SimpleNamespace(event="RunContent", run_id="r1", content="[red]markup[/red] \x1b[2J"))
    assert "[red]markup[/red] \ufffd[2J" in text


def test_a_table_is_aligned_also_where_characters_are_wide_or_steer_the_terminal():
    rows = [("人々", "1,234", "a\x1b[2J b"), ("e\u0301", "5", ""), ("two\nlines", "", "x  y")]
    assert table_text(("NAME", "COUNT", "WHAT"), rows, right=frozenset((1,))).splitlines() == [
        "NAME       COUNT  WHAT",
        "人々       1,234  a\ufffd[2J b",
        "e\u0301              5",
        "two lines         x y",
    ]
    assert table_text(("A", "B"), []) == "A  B"


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (99_999, "99,999 bytes"), (2_345_678_901, "2,345.7 MB")])
def test_sizes_are_readable(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("kind", "shape", "text"),
    [
        ("gin", {}, "eq and includes of any field"),
        ("shape", {"equal": ["a", '"b.c"'], "contains": ["t"]}, 'equal a, "b.c"; contains t'),
        ("shape", {"ranged": ["n"], "order": [["n", "desc"]]}, "range n; order by n desc"),
        ("shape", {"group": ["a", "b"]}, "group by a, b"),
    ],
)
def test_what_an_index_is_for_is_said_in_words(kind, shape, text):
    assert purpose(AgentDataIndex(name="i", kind=kind, shape=shape)) == text
