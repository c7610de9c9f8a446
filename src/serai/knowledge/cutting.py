"""How passages are cut into chunks. Runs in a thread for little text, else in a reading process."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Final, Protocol

from semantic_text_splitter import CodeSplitter, MarkdownSplitter, TextSplitter

from serai.knowledge.passages import Passage, UnreadableError
from serai.knowledge.readers.catalog import GRAMMARS, is_installed
from serai.knowledge.reading_frames import CutSpec

_TOKENS_OF: Final = "gpt-4o"
_HEADING: Final = re.compile(r"^(?:(#{1,6})[ \t]+(.*)|[ \t]*(```|~~~))", re.MULTILINE)
_LONGEST_HEADINGS: Final = 500


class _Splitter(Protocol):
    def chunk_indices(self, text: str) -> list[tuple[int, str]]: ...


def cut_passages(passages: Iterable[Passage], spec: CutSpec, *, most: int) -> Iterator[Passage]:
    """Yield the chunks of passages; with Markdown each knows the ``heading`` it stands under.

    Raises:
        UnreadableError: there would be more than `most`.
    """
    headings = _Headings() if spec.chunker == "MarkdownChunker" else None
    splitter_of = _splitters(spec)
    count = 0
    for passage in passages:
        if headings is not None:
            headings.enter(passage.text)
        for start, text in splitter_of(passage).chunk_indices(passage.text):
            count += 1
            if count > most:
                raise UnreadableError(
                    f"The document would be cut into more than {most:,} chunks; choose a larger chunk_size."
                )
            above = headings.at(start) if headings is not None else ""
            yield Passage(text, {**passage.metadata, "heading": above} if above else passage.metadata)


def _splitters(spec: CutSpec) -> Callable[[Passage], _Splitter]:
    """Return what gives the splitter of a passage."""
    match spec.chunker:
        case "MarkdownChunker":
            splitter: _Splitter = MarkdownSplitter(spec.size, spec.overlap)
        case "TokenChunker":
            splitter = TextSplitter.from_tiktoken_model(_TOKENS_OF, spec.size, spec.overlap)
        case "FixedSizeChunker":
            splitter = _Windows(spec)
        case _:
            splitter = TextSplitter(spec.size, spec.overlap)
    if spec.chunker == "CodeChunker":
        by_language = {language: CodeSplitter(_grammar(language), spec.size, spec.overlap) for language in _known()}
        return lambda passage: by_language.get(str(passage.metadata.get("language")), splitter)
    if spec.chunker == "RowChunker":
        whole = TextSplitter(spec.size)  # a row that is cut has nothing in common with the next one
        return lambda _: whole
    return lambda _: splitter


def _known() -> list[str]:
    return [language for language, package in GRAMMARS.items() if is_installed(package)]


def _grammar(language: str) -> Any:
    module = import_module(GRAMMARS[language][0])
    return module.language_typescript() if language == "typescript" else module.language()


class _Windows:
    """Chunks of a fixed size that end between words where there are any."""

    def __init__(self, spec: CutSpec) -> None:
        self._size, self._overlap = spec.size, spec.overlap

    def chunk_indices(self, text: str) -> list[tuple[int, str]]:
        chunks = []
        start = 0
        while start < len(text):
            end = min(start + self._size, len(text))
            if end < len(text) and not text[end].isspace():
                blank = max(text.rfind(mark, start + self._overlap + 1, end) for mark in (" ", "\n"))
                end = blank if blank > start + self._size // 2 else end
            if chunk := text[start:end].strip():
                chunks.append((start, chunk))
            if end == len(text):
                break
            start = end - self._overlap
        return chunks


class _Headings:
    """Which headings stand above a place in Markdown, through all passages of a document."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._starts: list[int] = []
        self._paths: list[str] = []
        self._in_fence: str | None = None

    def enter(self, text: str) -> None:
        """Take up the next passage."""
        self._starts, self._paths = [0], [self._show()]
        for match in _HEADING.finditer(text):
            level, title, fence = match.groups()
            if fence is not None:
                self._in_fence = None if self._in_fence == fence else self._in_fence or fence
            elif self._in_fence is None and (title := title.strip().rstrip("#").rstrip()):
                self._path = [(other, name) for other, name in self._path if other < len(level)]
                self._path.append((len(level), title))
                self._starts.append(match.start())
                self._paths.append(self._show())

    def at(self, start: int) -> str:
        """Return the headings above a place of the passage, outermost first."""
        return self._paths[bisect_right(self._starts, start) - 1]

    def _show(self) -> str:
        return " > ".join(title for _, title in self._path)[:_LONGEST_HEADINGS]
