"""Runs the scripts that it is told, a line of JSON each; every one is a fork that has its imports already.

Runs inside a published client's environment, so it uses the standard library alone.
"""

import ast
import contextlib
import importlib
import json
import os
import runpy
import sys
from pathlib import Path


def load_imports_of(script: Path) -> None:
    """Import what a script imports first of all."""
    for node in ast.parse(script.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        for name in names:
            with contextlib.suppress(Exception):  # the script will say what is wrong
                importlib.import_module(name)


def become(command: list[str], outputs: list[str]) -> None:
    """Be the process of a script, whose output goes to two files."""
    for number, path in enumerate((os.devnull, *outputs)):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, number)
        os.close(file)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


def main() -> None:
    """Run scripts until the input ends; say the exit code of each."""
    for line in sys.stdin:
        job = json.loads(line)
        load_imports_of(Path(job["command"][0]))
        child = os.fork()
        if child == 0:
            become(**job)
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
