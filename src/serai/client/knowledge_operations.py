"""The rows of the table that are about knowledge. Sends nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serai.client._calls import Answer, Arguments, Call, Headers
from serai.client._form import json_text, read_file
from serai.client._knowledge_flows import FolderUpload, upload_folder, wait_for
from serai.client._rows import LIST_PAGE_SIZE, Rows, check_list, check_size, given
from serai.wire.arguments import ArgumentError

if TYPE_CHECKING:
    from serai.client._core import Core
    from serai.client._form import UploadedFile
    from serai.wire.exchange import Flow
    from serai.wire.knowledge import (
        ConfigResponseSchema,
        ContentPage,
        ContentResponseSchema,
        ContentStatusResponse,
        SearchPage,
    )
    from serai.wire.media import File
    from serai.wire.streaming import StreamFlow

CONTENT: Answer[ContentResponseSchema] = Answer("knowledge:ContentResponseSchema")
CONTENTS: Answer[ContentPage] = Answer("knowledge:ContentPage")
ALL_CONTENTS: Answer[ContentResponseSchema] = Answer("knowledge:ContentResponseSchema", paged_by="id")
STATUS: Answer[ContentStatusResponse] = Answer("knowledge:ContentStatusResponse")
FOUND: Answer[SearchPage] = Answer("knowledge:SearchPage")
CONFIG: Answer[ConfigResponseSchema] = Answer("knowledge:ConfigResponseSchema")
DONE: Answer[str] = Answer("knowledge:Done")
UPLOADS: Answer[FolderUpload] = Answer("knowledge:FolderUpload", streams=True)  # made here, not read

_ALL = "/knowledge/content"
_ONE = f"{_ALL}/{{content_id}}"
_TEXTS = {
    "content_id": "the content; unknown is status 404.",
    "knowledge_id": "which of the server's knowledge bases, where it has several.",
    "name": "what people call it; the name of the file or the URL by default.",
    "description": "what is in it.",
    "metadata": "of the content and all its chunks; a search filters by it.",
    "reader_id": "what reads it, as `get_knowledge_config` names it; its type decides by default.",
    "chunker": "how it is cut, as `get_knowledge_config` names it.",
    "chunk_size": "the most characters of a chunk.",
    "chunk_overlap": "how many of these the next chunk begins with again.",
    "replace": "others of this name go once it is there, and a URL is fetched again; Serai servers only.",
}
_row = Rows(_TEXTS)


@_row(
    "POST",
    _ALL,
    CONTENT,
    url="a URL that the server fetches; or",
    file="a file: its content, its path, or what a web framework was sent. One named by its path is read here; or",
    text_content="a text.",
)
def upload_knowledge_content(  # noqa: PLR0913, PLR0917 - the published parameters
    name: str | None = None,
    description: str | None = None,
    url: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    file: File | UploadedFile | str | os.PathLike[str] | None = None,
    text_content: str | None = None,
    reader_id: str | None = None,
    chunker: str | None = None,
    chunk_size: int | None = None,
    chunk_overlap: int | None = None,
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
    *,
    replace: bool = False,
) -> Arguments:
    """Have the server take in a text, a file, or what is at a URL; return it as it is stored, still to be processed.

    The same bytes twice are one content. `wait_for_knowledge_content` tells when it can be found.

    Raises:
        ArgumentError: there is nothing to upload, or more than one thing.
        OSError: the file cannot be read.
    """
    url = url or getattr(file, "url", None)
    part = None if file is None or getattr(file, "url", None) else partial(read_file, file)
    if sum((bool(url), part is not None, bool(text_content))) != 1:
        raise ArgumentError("one of file, text_content and url must be given")
    form = {
        "name": name,
        "description": description,
        "url": url,
        "metadata": None if metadata is None else json_text(dict(metadata)),
        "text_content": text_content or None,
        "reader_id": reader_id,
        "chunker": chunker,
        "chunk_size": chunk_size,
        "chunk_overlap": chunk_overlap,
        "replace": replace or None,
    }
    return Arguments(query={"db_id": db_id, "knowledge_id": knowledge_id}, form=form, file=part, headers=headers)


@_row(
    "POST",
    _ALL,
    UPLOADS,
    folder="the folder; each file is called by its path in it.",
    metadata="of all of them.",
    replace="a file takes the place of an earlier one of its name; Serai servers only.",
)
def upload_knowledge_folder(  # noqa: PLR0913 - as for a single content
    folder: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    chunker: str | None = None,
    chunk_size: int | None = None,
    chunk_overlap: int | None = None,
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
    *,
    replace: bool = False,
) -> Arguments:
    """Upload the files of a folder and of all folders in it, and yield what became of each; one bad file stops nothing.

    Hidden files, and those of types that the server cannot read, are passed over.

    Raises:
        OSError: it is no folder.
    """
    top = Path(folder)
    config = get_knowledge_config(db_id, headers, knowledge_id=knowledge_id)

    def upload(path: Path) -> Call[ContentResponseSchema]:
        return upload_knowledge_content(
            name_in(top, path),
            metadata=metadata,
            file=path,
            chunker=chunker,
            chunk_size=chunk_size,
            chunk_overlap=chunk_overlap,
            db_id=db_id,
            knowledge_id=knowledge_id,
            headers=headers,
            replace=replace,
        )

    def flow(core: Core, _: Call[Any]) -> StreamFlow[FolderUpload]:
        return upload_folder(core, top, config, upload)

    return Arguments(flow=flow)


@_row("GET", _ALL, CONTENTS)
def list_knowledge_content(
    limit: int | None = 20,
    page: int | None = 1,
    sort_by: str | None = "created_at",
    sort_order: str | None = "desc",
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the contents, latest first."""
    query = {
        "limit": limit,
        "page": page,
        "sort_by": sort_by,
        "sort_order": sort_order,
        "db_id": db_id,
        "knowledge_id": knowledge_id,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", _ALL, ALL_CONTENTS)
def iter_knowledge_content(
    page_size: int = LIST_PAGE_SIZE,
    sort_by: str | None = "created_at",
    sort_order: str | None = "desc",
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all contents, latest first, each once, asking for pages as they are needed."""
    return list_knowledge_content.arrange(page_size, 1, sort_by, sort_order, db_id, knowledge_id, headers)


@_row("GET", _ONE, CONTENT)
def get_knowledge_content(
    content_id: str, db_id: str | None = None, knowledge_id: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Return a content: what it is, and where it stands."""
    query = {"db_id": db_id, "knowledge_id": knowledge_id}
    return Arguments(path={"content_id": content_id}, query=query, headers=headers)


@_row("GET", f"{_ONE}/status", STATUS)
def get_knowledge_content_status(
    content_id: str, db_id: str | None = None, knowledge_id: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Return where a content stands."""
    return get_knowledge_content.arrange(content_id, db_id, knowledge_id, headers)


@_row("GET", _ONE, CONTENT, wait_timeout="seconds to wait; the client's `run_timeout` by default.")
def wait_for_knowledge_content(
    content_id: str,
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
    *,
    wait_timeout: float | None = None,
) -> Arguments:
    """Return a content once it can be found, or has failed: that is its status, and no error here.

    Raises:
        RemoteServerUnavailableError: it was still processed when the time was over, or nobody answers.
    """
    look = get_knowledge_content(content_id, db_id, knowledge_id, headers)

    def flow(core: Core, _: Call[Any]) -> Flow[ContentResponseSchema]:
        return wait_for(core, look, wait_timeout)

    return changed(look.arguments, flow=flow)


@_row("PATCH", _ONE, CONTENT, name="what people call it.", metadata="takes the place of all that it has.")
def update_knowledge_content(
    content_id: str,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    reader_id: str | None = None,
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Change what is said about a content, and return it; what is left out stays as it is."""
    form = {
        "name": name,
        "description": description,
        "metadata": None if metadata is None else json_text(dict(metadata)),
        "reader_id": reader_id,
    }
    return changed(get_knowledge_content.arrange(content_id, db_id, knowledge_id, headers), form=form)


@_row("DELETE", _ONE, CONTENT)
def delete_knowledge_content(
    content_id: str, db_id: str | None = None, knowledge_id: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Remove a content, which is no more found, and return its id."""
    return get_knowledge_content.arrange(content_id, db_id, knowledge_id, headers)


@_row("DELETE", _ALL, DONE)
def delete_all_knowledge_content(
    db_id: str | None = None, knowledge_id: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Remove all contents of a knowledge base, and return `success`."""
    return Arguments(query={"db_id": db_id, "knowledge_id": knowledge_id}, headers=headers)


@_row(
    "POST",
    "/knowledge/search",
    FOUND,
    query="what is looked for, in words or as a question.",
    max_results="how many chunks are looked for, 1 to 1,000; as the base has it by default.",
    filters="only chunks whose metadata has all of these.",
    search_type="`keyword`, `vector` or `hybrid`; as the base has it by default.",
    vector_db_ids="only in these, as `get_knowledge_config` names them.",
    limit="the most of the found chunks on one page.",
)
def search_knowledge(  # noqa: PLR0913, PLR0917 - the published parameters
    query: str,
    max_results: int | None = None,
    filters: Mapping[str, Any] | None = None,
    search_type: str | None = None,
    vector_db_ids: Sequence[str] | None = None,
    limit: int = 20,
    page: int = 1,
    db_id: str | None = None,
    knowledge_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the chunks of contents that fit best, best first; their `score` is from 0 to 1."""
    check_size("query", query)
    body = given(
        query=query,
        max_results=max_results,
        filters=filters,
        search_type=search_type,
        vector_db_ids=None if vector_db_ids is None else check_list("vector_db_ids", vector_db_ids),
        db_id=db_id,
        knowledge_id=knowledge_id,
    )
    return Arguments(json={**body, "meta": {"limit": limit, "page": page}}, headers=headers)


@_row("GET", "/knowledge/config", CONFIG)
def get_knowledge_config(
    db_id: str | None = None, headers: Headers | None = None, *, knowledge_id: str | None = None
) -> Arguments:
    """Return what the server can read, how it cuts that, how it can be searched, and what it is filtered by."""
    return Arguments(query={"db_id": db_id, "knowledge_id": knowledge_id}, headers=headers)


def name_in(folder: Path, path: Path) -> str:
    """Return what a file of a folder is called: its path in it, with slashes."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
