"""``serai.ask_user``: a tool with which a model asks a person, who chooses from what it offers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from serai.components.tool import ToolOptions, external_tool, with_options


class Option(BaseModel):
    """One answer to choose."""

    label: str = Field(description="The answer, in a few words.")
    description: str | None = Field(default=None, description="What choosing it means.")


class Question(BaseModel):
    """One question."""

    question: str = Field(description="The question, complete.")
    header: str | None = Field(default=None, description="A word or two that name it.")
    options: list[Option] = Field(description="The answers to choose from.", min_length=1)
    multi_select: bool = Field(default=False, description="Whether several may be chosen.")


def _are_distinct(questions: list[Question]) -> list[Question]:
    """Refuse questions that an answer could not tell from each other.

    Raises:
        ValueError: two have the same text.
    """
    if len({question.question for question in questions}) < len(questions):
        raise ValueError("two of the questions have the same text; ask each one once")
    return questions


Questions = Annotated[list[Question], Field(min_length=1), AfterValidator(_are_distinct)]


def _ask_user(questions: Questions) -> str:
    """Ask the user and wait for the answers. Use it when the choice is the user's to make."""
    raise NotImplementedError(f"a person answers {questions!r}")


ask_user = external_tool(_ask_user, **with_options({"name": "ask_user"}, ToolOptions(pause="user_feedback")))
