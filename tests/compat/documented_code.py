"""The published documents' snippets: read from snippets/, given our import paths, and run. Not a test itself."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "snippets"
_SNIPPET = re.compile(r"^## (?P<title>[^\n]+)\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

OUR_IMPORT_PATHS = {
    "agno.client": "serai.client",
    "agno.db.base": "serai.sessions",
    "agno.exceptions": "serai.exceptions",
    "agno.media": "serai.media",
    "agno.models.response": "serai.tools",
    "agno.run.agent": "serai.run.agent",
    "agno.run.team": "serai.run.team",
    "llama_cloud.client": "serai.agent_data",
    "llama_cloud_services.beta.agent_data": "serai.agent_data",
}
"""What a user changes who moves here: nothing but these."""


def titles(document: str) -> list[str]:
    """Return the titles of a document's snippets, in order."""
    return [match["title"] for match in _SNIPPET.finditer((_FOLDER / f"{document}.md").read_text())]


def published_snippet(document: str, title: str) -> str:
    """Return one snippet of a document as it was published."""
    found = {match["title"]: match["code"] for match in _SNIPPET.finditer((_FOLDER / f"{document}.md").read_text())}
    return found[title]


def snippet(document: str, title: str) -> str:
    """Return one snippet of a document with our import paths."""
    return ast.unparse(_OurImports().visit(ast.parse(published_snippet(document, title))))


async def run_snippet(code: str, namespace: dict[str, Any]) -> None:
    """Run code that may await at its top level; the names it binds end up in ``namespace``."""
    outcome = eval(compile(code, "<snippet>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
    if inspect.iscoroutine(outcome):
        await outcome


class _OurImports(ast.NodeTransformer):
    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        node.module = OUR_IMPORT_PATHS.get(node.module or "", node.module)
        return node
