"""PowerPoint presentations: a slide is a passage, with its tables and notes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pptx
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from serai.knowledge.passages import Passage, Source, UnreadableError
from serai.knowledge.readers.packed import check_archive

_DEEPEST: Final = 20


def read(source: Source) -> Iterator[Passage]:
    """Yield the slides, with their numbers and titles."""
    check_archive(source.data, source.limits)
    slides = pptx.Presentation(io.BytesIO(source.data)).slides
    if len(slides) > source.limits.pages:
        raise UnreadableError(
            f"The presentation has {len(slides):,} slides, and at most {source.limits.pages:,} are read; "
            "upload it in parts."
        )
    for number, slide in enumerate(slides, 1):
        yield _slide(slide, number)


def _slide(slide: Slide, number: int) -> Passage:
    title = slide.shapes.title
    heading = " ".join(title.text_frame.text.split()) if title is not None else ""
    blocks = [f"# {heading}"] if heading else []
    blocks += [
        text
        for shape in _shapes(slide.shapes, 0)
        if title is None or shape.shape_id != title.shape_id
        if (text := _shape_text(shape))
    ]
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None and notes.text.strip():
        blocks.append(f"Notes: {notes.text.strip()}")
    metadata = {"slide": number, "title": heading[:500]} if heading else {"slide": number}
    return Passage("\n\n".join(blocks), metadata)


def _shapes(shapes: Iterable[Any], depth: int) -> Iterator[Any]:
    for shape in shapes:
        if not isinstance(shape, GroupShape):
            yield shape
        elif depth < _DEEPEST:
            yield from _shapes(shape.shapes, depth + 1)


def _shape_text(shape: Any) -> str:
    if shape.has_text_frame:
        return str(shape.text_frame.text).replace("\v", "\n").strip()
    if getattr(shape, "has_table", False):
        rows = (" | ".join(" ".join(cell.text.split()) for cell in row.cells) for row in shape.table.rows)
        return "\n".join(f"| {row} |" for row in rows)
    return ""
