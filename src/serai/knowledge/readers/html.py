"""Web pages as Markdown: the main text with its headings, lists and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from serai.knowledge.passages import Passage, Source
from serai.knowledge.readers.text import decode, has_mark

_NOT_TEXT: Final = (
    "script, style, noscript, template, iframe, object, svg, canvas, form, dialog, nav, aside, footer, [hidden], "
    "[aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo], [role=search], header:not(:has(h1))"
)
_MAIN: Final = "main, [role=main]"


def read(source: Source) -> Iterator[Passage]:
    """Yield the page; its title is in the metadata."""
    soup = BeautifulSoup(_markup(source), "html.parser")
    title = soup.title.get_text(" ", strip=True)[:500] if soup.title else ""
    metadata = {"title": title} if title else {}
    yield Passage(_as_markdown(soup), metadata)


def _markup(source: Source) -> str | bytes:
    """Return the page as text; as bytes where only the page itself can say what its characters are."""
    if source.charset is not None or has_mark(source.data):
        return decode(source)
    try:
        return source.data.decode()
    except UnicodeDecodeError:
        return source.data


def _as_markdown(soup: BeautifulSoup) -> str:
    try:
        for part in soup.select(_NOT_TEXT):
            part.decompose()
        for image in soup.select("img"):
            image.replace_with(str(image.get("alt") or ""))
        main: Tag = soup.select_one(_MAIN) or soup.body or soup
        converter = MarkdownConverter(
            heading_style="atx",
            bullets="-",
            strip=["a", "title", "head"],
            escape_asterisks=False,
            escape_underscores=False,
            table_infer_header=True,
        )
        return str(converter.convert_soup(main))
    except RecursionError:  # nested deeper than any page that people wrote
        return soup.get_text("\n", strip=True)
