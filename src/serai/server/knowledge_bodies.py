"""What requests about knowledge say in their forms and bodies, every field checked and refused by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

import httpx
import msgspec
from starlette.requests import Request

from serai.domain.json_text import dump_json, is_too_deep
from serai.domain.knowledge import LONGEST_NAME, LONGEST_QUERY, MOST_RESULTS, ContentOrigin, SearchType
from serai.domain.stored_text import is_storable, storable, storable_json
from serai.errors import InvalidFieldError, NotFoundError, RequestError
from serai.knowledge.bases import KnowledgeBase, Upload
from serai.knowledge.filters import is_expression
from serai.knowledge.options import check_chunking
from serai.knowledge.reading import readers
from serai.server.bodies import parse_open_json, read_body
from serai.server.context import runtime_of
from serai.server.databases import DATABASE_ID
from serai.server.form_fields import Form, parse_json_text, read_bool, read_form
from serai.server.large_work import make
from serai.server.paging import LAST_PAGE, MOST_LISTED
from serai.server.scope import check_text
from serai.storage.knowledge_contents import ContentChanges

LONGEST_DESCRIPTION: Final = 10_000
LONGEST_URL: Final = 8000
MOST_METADATA_BYTES: Final = 16 * 1024
"""Each chunk of a content has its metadata."""

FILE: Final = "file"
_WAYS: Final = ("reader_id", "chunker", "chunk_size", "chunk_overlap")
_NO_TYPES: Final = frozenset({"", "application/octet-stream"})
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_LISTED)]


class PageBody(msgspec.Struct):
    """Which page of what was found is wanted."""

    limit: _Count | None = None
    page: Annotated[int, msgspec.Meta(ge=1, le=LAST_PAGE)] = 1


class SearchBody(msgspec.Struct):
    """What is looked for, and where."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_QUERY)]
    db_id: str | None = None
    knowledge_id: str | None = None
    vector_db_ids: list[str] | None = None
    search_type: SearchType | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=MOST_RESULTS)] | None = None
    filters: dict[str, Any] | None = None
    meta: PageBody | None = None
    limit: _Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """A document that a request gives, and the fields that mean nothing here."""

    upload: Upload
    ignored: list[str] = field(default_factory=list)

    def unheeded(self, shown: Mapping[str, Any]) -> list[str]:
        """Return the fields that say how to read and cut a content that was there already, read and cut otherwise."""
        given = ((name, getattr(self.upload, name)) for name in _WAYS)
        return [name for name, value in given if value is not None and value != shown[name]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesForm:
    """What a request changes of a content, and the fields that mean nothing here."""

    changes: ContentChanges
    ignored: list[str] = field(default_factory=list)


_search = msgspec.json.Decoder(SearchBody)


def base_of(request: Request) -> KnowledgeBase:
    """Return the base that a query speaks of: the only one, or that which it names.

    Raises:
        NotFoundError: there is no such base, or no such database.
        RequestError: there are several, and none is named.
        RetryLaterError: there is none at all.
    """
    return named_base(request, request.query_params.get("db_id"), request.query_params.get("knowledge_id"))


def bases_of(request: Request) -> list[KnowledgeBase]:
    """Return the base that a query names, all when it names none.

    Raises:
        NotFoundError: there is no such base, or no such database.
        RetryLaterError: there is none at all.
    """
    bases = list(runtime_of(request).knowledge)
    if len(bases) < 2 or request.query_params.get("knowledge_id"):
        return [base_of(request)]
    _check_database(request.query_params.get("db_id"))
    return bases


def named_base(request: Request, database_id: str | None, knowledge_id: str | None) -> KnowledgeBase:
    """Return the base of these names; as `base_of`."""
    _check_database(database_id)
    return runtime_of(request).knowledge.get(knowledge_id or None)


async def read_upload(
    request: Request, base: KnowledgeBase, *, project_id: str, user_id: str | None, most_bytes: int
) -> UploadForm:
    """Return the document that a form brings: as a file, as text, or by its URL.

    Raises:
        RequestError: it brings none, or several, or is no form.
        InvalidFieldError: a field is of the wrong form.
    """
    form = await read_form(request, max_field_bytes=most_bytes)
    given = {name: value for name, value in form.fields.items() if value != ""}
    file_name, media_type, file = _read_file(form)
    text, url = given.pop("text_content", None), _read_url(given)
    if len(brought := [name for name, part in ((FILE, file), ("text_content", text), ("url", url)) if part]) != 1:
        if not brought:
            raise RequestError("Provide a file, text_content, or URL to upload.")
        raise RequestError(f"Send one of file, text_content and url; this request has {' and '.join(brought)}.")
    data = file if text is None else await make(text.encode, size_bytes=len(text))
    metadata = _read_metadata(given)
    chunker, size, overlap = _read_chunking(given, base)
    reader_id = given.pop("reader_id", None)
    is_reader = reader_id in readers()
    upload = Upload(
        project_id=project_id,
        user_id=user_id,
        data=data or None,
        url=url,
        name=_read_text(given, "name", LONGEST_NAME) or file_name or (url and url[:LONGEST_NAME]),
        description=_read_text(given, "description", LONGEST_DESCRIPTION),
        metadata=metadata,
        origin=ContentOrigin.URL if url else ContentOrigin.TEXT if text else ContentOrigin.FILE,
        media_type=media_type if text is None else "text/plain",
        reader_id=reader_id if is_reader else None,
        chunker=chunker,
        chunk_size=size,
        chunk_overlap=overlap,
        replaces=read_bool(given, "replace", default=False),
    )
    ignored = [*given, *(["reader_id"] if reader_id and not is_reader else [])]
    ignored += [name for name, _ in form.uploads if name != FILE]
    return UploadForm(upload=upload, ignored=sorted(ignored))


async def digest_upload(upload: Upload) -> bytes:
    """Return what tells a document and all that is said of it from others."""
    data = upload.data or b""
    digest = await make(lambda: hashlib.blake2b(data).hexdigest(), size_bytes=len(data))
    members = {name: getattr(upload, name) for name in Upload.__slots__ if name != "data"}
    return dump_json({**members, "data": digest})


async def read_changes(request: Request, *, most_bytes: int) -> ChangesForm:
    """Return what a form changes of a content.

    Raises:
        RequestError: the metadata is no JSON, the reader is unknown, or the body is no form.
        InvalidFieldError: a field is of the wrong form.
    """
    form = await read_form(request, max_field_bytes=most_bytes)
    given = {name: value for name, value in form.fields.items() if value != ""}
    reader_id = given.get("reader_id")
    if reader_id is not None and reader_id not in readers():
        raise RequestError(f"Invalid reader_id: {reader_id[:100]}")
    changes = ContentChanges(
        name=_read_text(given, "name", LONGEST_NAME),
        description=_read_text(given, "description", LONGEST_DESCRIPTION),
        metadata=_read_new_metadata(given),
    )
    return ChangesForm(changes=changes, ignored=sorted([*given, *(name for name, _ in form.uploads)]))


async def read_search(request: Request) -> tuple[SearchBody, list[str]]:
    """Return what a body looks for, and the names of its members that mean nothing here.

    Raises:
        InvalidFieldError: it is no JSON object, or a member is missing or wrong.
    """
    raw = await read_body(request)
    body, ignored = parse_open_json(_search, raw)
    check_text(body.query, ("body", "query"))
    if not body.query.strip():
        raise InvalidFieldError.of(("body", "query"), "String should not be blank", kind="string_blank")
    if body.filters is not None:
        _check_metadata(body.filters, "filters")
        if is_expression(body.filters):
            msg = "Input should be an object of metadata; filter expressions are for knowledge_filters of runs"
            raise InvalidFieldError.of(("body", "filters"), msg, kind="knowledge_filters")
    return body, ignored


def _check_database(database_id: str | None) -> None:
    if database_id and database_id != DATABASE_ID:
        raise NotFoundError(f"Knowledge instance with db_id '{database_id[:200]}' not found")


def _read_metadata(given: dict[str, str]) -> dict[str, Any]:
    """Take the metadata of a new content out of the fields: a JSON object; anything else is the member ``value``.

    Raises:
        InvalidFieldError: it is too large, nested too deep, or cannot be stored.
    """
    text = given.pop("metadata", "").strip()
    if not text or text == "null":
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = text
    metadata = value if isinstance(value, dict) else {"value": value}
    _check_metadata(metadata, "metadata")
    return metadata


def _read_new_metadata(given: dict[str, str]) -> dict[str, Any] | None:
    text = given.pop("metadata", "").strip()
    if not text or text == "null":
        return None
    try:
        value = parse_json_text(text, "metadata", "JSON text")
    except InvalidFieldError as error:
        raise RequestError("Invalid JSON format for metadata") from error
    if not isinstance(value, dict):
        raise InvalidFieldError.of(("body", "metadata"), "Input should be a JSON object", kind="dict_type", given=value)
    _check_metadata(value, "metadata")
    return value


def _check_metadata(metadata: Mapping[str, Any], name: str) -> None:
    loc = ("body", name)
    if is_too_deep(metadata):
        raise InvalidFieldError.of(loc, "Input is nested too deeply", kind="json_depth")
    if len(dump_json(metadata)) > MOST_METADATA_BYTES:
        msg = f"Input should have at most {MOST_METADATA_BYTES} bytes as JSON"
        raise InvalidFieldError.of(loc, msg, kind="too_large")
    if storable_json(metadata) != metadata:
        raise InvalidFieldError.of(loc, "U+0000 and lone surrogates cannot be stored", kind="string_unicode")


def _read_file(form: Form) -> tuple[str | None, str | None, bytes | None]:
    """Return the name, the media type and the bytes of the file that a form brings."""
    if FILE in form.fields:
        raise InvalidFieldError.of(("body", FILE), "Input should be a file part with a filename", kind="file_type")
    files = [upload for name, upload in form.uploads if name == FILE]
    if not files:
        return None, None, None
    if len(files) > 1:
        msg = "Send one file in a request: each becomes a content of its own"
        raise InvalidFieldError.of(("body", FILE), msg, kind="too_many", given=len(files))
    upload = files[0]
    if not upload.content:
        raise InvalidFieldError.of(("body", FILE), "The file is empty", kind="file_empty", given=upload.filename)
    name = PurePosixPath(storable(upload.filename).replace("\\", "/")).name[:LONGEST_NAME]
    media_type = storable(upload.media_type).partition(";")[0].strip().lower()[:LONGEST_NAME]
    return name or None, None if media_type in _NO_TYPES else media_type, upload.content


def _read_url(given: dict[str, str]) -> str | None:
    """Take one http or https URL out of the fields."""
    text = given.pop("url", "").strip()
    if not text:
        return None
    if text[0] in '["{':
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            value = text
        if not isinstance(value, str) or not value.strip():
            raise RequestError("URL must be a single non-empty string; submit each URL separately.")
        text = value.strip()
    if problem := _problem_of(text):
        raise InvalidFieldError.of(("body", "url"), problem, kind="url_parsing", given=text[:200])
    return text


def _problem_of(text: str) -> str | None:
    """Return what is wrong with a URL."""
    if len(text) > LONGEST_URL:
        return f"String should have at most {LONGEST_URL} characters"
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, UnicodeError) as error:
        return f"Input should be a URL: {error}"
    if url.scheme not in ("http", "https") or not host:
        return "Input should be a URL that begins with http:// or https://"
    if url.userinfo:
        return "A user name and a password are not sent to the server: leave them out of the URL"
    return None if is_storable(text) else "U+0000 and lone surrogates cannot be stored"


def _read_text(given: dict[str, str], name: str, longest: int) -> str | None:
    text = given.pop(name, None)
    if text is None:
        return None
    if len(text) > longest:
        msg = f"String should have at most {longest} characters"
        raise InvalidFieldError.of(("body", name), msg, kind="string_too_long", given=text[:100])
    return check_text(text, ("body", name))


def _read_chunking(given: dict[str, str], base: KnowledgeBase) -> tuple[str | None, int | None, int | None]:
    """Take the chunker and its sizes out of the fields; they must go with what the base has for the rest."""
    chunker = given.pop("chunker", None)
    size, overlap = _read_number(given, "chunk_size"), _read_number(given, "chunk_overlap")
    try:
        check_chunking(chunker, base.options.chunk_size if size is None else size, overlap)
    except ValueError as error:
        name, _, problem = str(error).partition(": ")
        raise InvalidFieldError.of(("body", name), problem) from error
    return chunker, size, overlap


def _read_number(given: dict[str, str], name: str) -> int | None:
    text = given.pop(name, "").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidFieldError.of(("body", name), "Input should be a whole number", kind="int_parsing", given=text)
    return int(text)
