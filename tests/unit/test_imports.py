"""Imports go one way, and the bare package needs nothing but httpx and pydantic."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(SOURCE.glob("serai/**/*.py"))

CORE = {"errors", "wire", "domain"}
STORAGE = CORE | {"storage"}
COMPONENTS = STORAGE | {"engine", "records", "memory", "knowledge", "telemetry", "components"}
SERVER = COMPONENTS | {"evals", "server", "settings"}
MAY_IMPORT = {
    "errors": {"errors"},
    "wire": {"errors", "wire"},
    "domain": CORE,
    "storage": STORAGE,
    "engine": STORAGE | {"engine"},
    "telemetry": STORAGE | {"engine", "telemetry"},
    "records": STORAGE | {"records"},
    "memory": STORAGE | {"memory"},
    "knowledge": STORAGE | {"engine", "knowledge"},
    "components": COMPONENTS,
    "evals": COMPONENTS | {"evals"},
    "settings": {"settings"},
    "server": SERVER,
    "testing": SERVER | {"testing"},
    "demo": SERVER | {"testing", "demo"},
    "cli": SERVER | {"testing", "demo", "client", "agent_data", "cli"},
    "client": {"errors", "wire", "client"},
    "agent_data": {"errors", "wire", "agent_data"},
    "__main__": {"cli"},
}
"""Who may import whom, by the first part of the module's name below ``serai``."""

PUBLIC_FACES = {
    *("run", "media", "tools", "sessions", "memories", "metrics", "eval_runs", "traces"),
    *("knowledge_contents", "exceptions"),
}
"""Modules that only give published names to what ``wire`` and ``errors`` hold."""

BARE = {"errors", "wire", "client", "agent_data", "__init__", *PUBLIC_FACES}
"""What ``pip install serai`` must be able to import."""

BARE_PACKAGES = {"httpx", "pydantic", "pydantic_core", "typing_extensions"}
"""The two dependencies, and what pydantic itself always brings."""


@cache
def imports_of(path: Path) -> tuple[tuple[str, int, bool], ...]:
    """Return what a file imports: full name, line, and whether it is needed at run time."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) not in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            # `from serai import cli` names a module, `from serai.cli import main` a member.
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "serai" else [node.module]
            found += [(str(name), node.lineno, id(node) not in typing_only) for name in names]
    return tuple(found)


def area_of(path: Path) -> str:
    """Return the part of the package a file belongs to, for example ``storage``."""
    parts = path.relative_to(SOURCE / "serai").with_suffix("").parts
    return parts[0]


def target_area(name: str) -> str | None:
    """Return the part of the package an imported name belongs to; None for other packages."""
    parts = name.split(".")
    return parts[1] if parts[0] == "serai" and len(parts) > 1 else None


def identify(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_a_module_imports_only_what_lies_below_it(path):
    area = area_of(path)
    if area == "__init__":
        return
    allowed = MAY_IMPORT.get(area, {"errors", "wire", "client", *PUBLIC_FACES} if area in PUBLIC_FACES else None)
    assert allowed is not None, f"{area!r} is new: say in MAY_IMPORT what it may import"
    wrong = [
        f"line {line}: {name}" for name, line, _ in imports_of(path) if (to := target_area(name)) and to not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in MODULES if area_of(p) in BARE], ids=identify)
def test_the_bare_package_needs_only_httpx_and_pydantic(path):
    wrong = []
    for name, line, at_run_time in imports_of(path):
        top = name.split(".")[0]
        if at_run_time and top != "serai" and top not in sys.stdlib_module_names and top not in BARE_PACKAGES:
            wrong.append(f"line {line}: {name}")
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_a_module_says_what_it_owns_in_at_most_three_lines(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    if area_of(path) != "errors":  # draws its tree there
        assert len(docstring.splitlines()) <= 8, "the summary is one to three lines, with at most a short paragraph"


@pytest.mark.parametrize("package", ["asyncpg", "fastapi", "pydantic_ai", "uvicorn", "structlog", "rich", "typer"])
def test_the_clients_load_nothing_of_the_server(package):
    assert package not in loaded_by("serai, serai.client, serai.agent_data")


def test_the_command_line_loads_no_server_before_it_is_asked_to():
    assert loaded_by("serai.cli") & {"asyncpg", "fastapi", "pydantic", "pydantic_ai", "uvicorn", "httpx"} == set()


@cache
def loaded_by(modules: str) -> set[str]:
    """Return the top-level packages that a new interpreter loads for an import."""
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
