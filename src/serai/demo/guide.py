"""The demo's agent that answers from documents: Serai's own, which lie beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic_ai import Agent

from serai.demo import script
from serai.demo.models import load_model
from serai.knowledge.options import Knowledge

PAGES: Final = Path(__file__).parent / "pages"


def build_guide(model: str | None = None) -> Agent[Any, str]:
    """Return the agent ``serai-guide``, which answers from Serai's documentation.

    Args:
        model: a pydantic-ai model string such as ``openai:gpt-5-mini``; None for the scripted model.

    Raises:
        ConfigurationError: the model string is unknown, or its provider lacks a key or a package.
    """
    return Agent(
        load_model(model, script.answer_from_documents),
        name="serai-guide",
        description="Answers questions about Serai from its documentation.",
        instructions=(
            "You answer questions about Serai from its documentation. Search it before you answer, name the pages "
            "that you answer from, and say so when they do not tell."
        ),
    )


def build_knowledge() -> Knowledge:
    """Return the base of Serai's documentation; it is searched by words, for the demo has no embedder."""
    return Knowledge(
        id="serai-docs",
        name="Serai's documentation",
        description="Tutorial, how-to pages and explanations of Serai.",
        documents=PAGES,
    )
