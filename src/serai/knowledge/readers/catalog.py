"""Which readers and chunkers there are, what they take, and which packages they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderInfo:
    """A reader of documents.

    Attributes:
        chunkers: those that suit what it reads; the first is its own choice.
        content_types: suffixes of file names.
        media_types: the same as media types.
        module: where its ``read`` is, below ``serai.knowledge.readers``.
        package: what must be installed for it, as ``import`` and PyPI name it; None without such a need.
    """

    id: str
    name: str
    description: str
    chunkers: tuple[str, ...]
    content_types: tuple[str, ...]
    media_types: tuple[str, ...]
    module: str
    package: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkerInfo:
    """A way to cut documents.

    Attributes:
        metadata: what it takes and does unless told otherwise.
        packages: what must be installed for it, as ``import`` and PyPI name them; one of them is enough.
    """

    key: str
    name: str
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingInfo:
    """A reader or chunker that cannot be used as things are installed."""

    id: str
    name: str
    description: str
    missing_packages: tuple[str, ...]
    reason: str


_PROSE: Final = ("RecursiveChunker", "DocumentChunker", "FixedSizeChunker", "TokenChunker")
_MARKED_UP: Final = ("MarkdownChunker", *_PROSE)
_ROWS: Final = ("RowChunker", *_PROSE)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."

CODE_SUFFIXES: Final[Mapping[str, str]] = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".java": "java", ".go": "go", ".rs": "rust", ".c": "c", ".h": "c",
}  # fmt: skip
"""Languages that are cut as code, by suffix."""

GRAMMARS: Final[Mapping[str, tuple[str, str]]] = {
    language: (f"tree_sitter_{language}", f"tree-sitter-{language}")
    for language in dict.fromkeys(CODE_SUFFIXES.values())
}

_READERS: Final = (
    ReaderInfo(
        id="text",
        name="TextReader",
        description="Plain text and source code; UTF-8, UTF-16 with its mark, or Windows-1252.",
        chunkers=(*_PROSE, "CodeChunker"),
        content_types=(".txt", ".text", ".log", ".rst", ".tex", ".xml", ".yaml", ".yml", ".toml", *CODE_SUFFIXES),
        media_types=("text/plain", "text/xml", "application/xml", "text/x-python"),
        module="text",
    ),
    ReaderInfo(
        id="markdown",
        name="MarkdownReader",
        description="Markdown; chunks know the headings they stand under.",
        chunkers=_MARKED_UP,
        content_types=(".md", ".markdown", ".mdx"),
        media_types=("text/markdown", "text/x-markdown"),
        module="text",
    ),
    ReaderInfo(
        id="html",
        name="HtmlReader",
        description="Web pages: the main text with its headings, lists and tables; without scripts and navigation.",
        chunkers=_MARKED_UP,
        content_types=(".html", ".htm", ".xhtml"),
        media_types=("text/html", "application/xhtml+xml"),
        module="html",
    ),
    ReaderInfo(
        id="csv",
        name="CsvReader",
        description="Tables of comma, semicolon or tab separated values; a row is lines of 'column: value'.",
        chunkers=_ROWS,
        content_types=(".csv", ".tsv"),
        media_types=("text/csv", "text/tab-separated-values"),
        module="csv_rows",
    ),
    ReaderInfo(
        id="json",
        name="JsonReader",
        description="JSON and JSON lines; each item of a list is a passage of 'name: value' lines.",
        chunkers=_PROSE,
        content_types=(".json", ".jsonl", ".ndjson"),
        media_types=("application/json", "application/x-ndjson", "application/jsonl"),
        module="json_items",
    ),
    ReaderInfo(
        id="pdf",
        name="PdfReader",
        description="PDF with a text layer, page by page.",
        chunkers=_PROSE,
        content_types=(".pdf",),
        media_types=("application/pdf", "application/x-pdf"),
        module="pdf",
        package=("pypdfium2", "pypdfium2"),
    ),
    ReaderInfo(
        id="docx",
        name="DocxReader",
        description="Word documents: headings, paragraphs, lists and tables in their order.",
        chunkers=_MARKED_UP,
        content_types=(".docx", ".docm", ".dotx"),
        media_types=(f"{_OFFICE}wordprocessingml.document",),
        module="word",
        package=("docx", "python-docx"),
    ),
    ReaderInfo(
        id="excel",
        name="ExcelReader",
        description="Excel workbooks, sheet by sheet; a row is lines of 'column: value'.",
        chunkers=_ROWS,
        content_types=(".xlsx", ".xlsm", ".xltx"),
        media_types=(f"{_OFFICE}spreadsheetml.sheet",),
        module="excel",
        package=("openpyxl", "openpyxl"),
    ),
    ReaderInfo(
        id="pptx",
        name="PptxReader",
        description="PowerPoint presentations, slide by slide, with tables and notes.",
        chunkers=_MARKED_UP,
        content_types=(".pptx", ".pptm", ".ppsx", ".potx"),
        media_types=(f"{_OFFICE}presentationml.presentation", f"{_OFFICE}presentationml.slideshow"),
        module="slides",
        package=("pptx", "python-pptx"),
    ),
)

READERS: Final[Mapping[str, ReaderInfo]] = {reader.id: reader for reader in _READERS}

_CHUNKERS: Final = (
    ChunkerInfo(
        key="RecursiveChunker",
        name="RecursiveChunker",
        description="Cuts where paragraphs end, else lines, else sentences, else words.",
    ),
    ChunkerInfo(
        key="DocumentChunker",
        name="DocumentChunker",
        description="Keeps paragraphs whole where they fit; the same as RecursiveChunker.",
    ),
    ChunkerInfo(
        key="FixedSizeChunker",
        name="FixedSizeChunker",
        description="Chunks of chunk_size characters, cut between words where there are any.",
    ),
    ChunkerInfo(
        key="TokenChunker",
        name="TokenChunker",
        description="As RecursiveChunker; chunk_size and chunk_overlap are tokens as gpt-4o counts them.",
    ),
    ChunkerInfo(
        key="MarkdownChunker",
        name="MarkdownChunker",
        description="Cuts Markdown at its headings and blocks; chunks know the headings they stand under.",
    ),
    ChunkerInfo(
        key="RowChunker",
        name="RowChunker",
        description="A row, item, page or slide is a chunk; only what is longer than chunk_size is cut.",
    ),
    ChunkerInfo(
        key="CodeChunker",
        name="CodeChunker",
        description="Cuts source code between functions and classes; other text as RecursiveChunker does.",
        packages=tuple(GRAMMARS.values()),
    ),
)

CHUNKERS: Final[Mapping[str, ChunkerInfo]] = {chunker.key: chunker for chunker in _CHUNKERS}


def is_installed(package: tuple[str, str]) -> bool:
    """Return whether a package can be imported."""
    return find_spec(package[0]) is not None


def missing_readers() -> Iterator[MissingInfo]:
    """Name the readers whose package is missing."""
    for reader in _READERS:
        if reader.package is not None and not is_installed(reader.package):
            yield MissingInfo(
                id=reader.id,
                name=reader.name,
                description=reader.description,
                missing_packages=(reader.package[1],),
                reason=f"{reader.package[1]} is not installed; pip install 'serai[documents]' brings it.",
            )


def missing_chunkers() -> Iterator[MissingInfo]:
    """Name the chunkers whose packages are missing."""
    for chunker in _CHUNKERS:
        if chunker.packages and not any(map(is_installed, chunker.packages)):
            yield MissingInfo(
                id=chunker.key,
                name=chunker.name,
                description=chunker.description,
                missing_packages=tuple(package for _, package in chunker.packages),
                reason="No grammar of a programming language is installed; pip install 'serai[documents]' brings them.",
            )
