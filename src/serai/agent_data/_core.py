"""The Agent Data clients without their I/O: what each method asks, and what the answers mean."""

# ruff: noqa: A002 - the published interface has arguments named filter and id

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from pydantic_core import to_jsonable_python

from serai.agent_data._batches import batches
from serai.agent_data._connection import Ask, Connection
from serai.agent_data._queries import Filter, groups_body, search_body
from serai.agent_data._sieve import Sieve
from serai.agent_data._walk import Walk, lines
from serai.agent_data.items import (
    AgentDataT,
    InvalidAgentData,
    InvalidAggregateGroup,
    OnInvalid,
    PartlyCreatedError,
    TypedAgentData,
    TypedAgentDataItems,
    TypedAggregateGroup,
    TypedAggregateGroupItems,
)
from serai.errors import RemoteServerUnavailableError
from serai.wire.exchange import Flow
from serai.wire.records import (
    AgentData,
    AgentDataBatch,
    AgentDataCollection,
    AgentDataCollections,
    AgentDataGroup,
    AgentDataGroupPage,
    AgentDataPage,
    DeletedCount,
)
from serai.wire.streaming import Emit, Read, StreamFlow

Item = TypeVar("Item")

RecordSieve = Sieve[AgentData, TypedAgentData[AgentDataT], InvalidAgentData]
GroupSieve = Sieve[AgentDataGroup, TypedAggregateGroup[AgentDataT], InvalidAggregateGroup]


@dataclass(frozen=True, slots=True)
class AgentDataCore(Generic[AgentDataT]):
    """One collection of one deployment on one server, and the type of its payloads.

    The methods without an underscore are those of both clients: their arguments and docstrings are written here, once.
    """

    type: type[AgentDataT]
    collection: str
    deployment_name: str
    project_id: str | None
    connection: Connection

    def create_item(
        self, data: AgentDataT, *, id: str | None = None, project_id: str | None = None
    ) -> Flow[TypedAgentData[AgentDataT]]:
        """Store a payload as a new record and return the record.

        Args:
            data: the payload.
            id: the record's id, of ``A-Z a-z 0-9 _ -``; else the server gives one. One that is taken is status 409.
                Serai only.
            project_id: overrides the client's.

        Raises:
            ValueError: the payload holds NaN or an infinity, which JSON cannot say.
        """
        body = self._scope() | {"data": _payload(data)} | _given(id=id)
        return self._record(self._write("POST", "", project_id, body=_json(body)))

    def create_items(
        self,
        items: Iterable[AgentDataT],
        *,
        ids: Sequence[str | None] | None = None,
        project_id: str | None = None,
    ) -> Flow[list[TypedAgentData[AgentDataT]]]:
        """Store many payloads as new records and return the records in the same order. Serai only.

        They are sent in batches of at most 1,000 records and 16 MiB. Each batch is stored whole or not at all, and
        once, however often it has to be sent. A batch that fails ends the call: the batches before it stay stored, and
        those after it are not sent.

        Args:
            items: the payloads; none is sent before all are known to be JSON.
            ids: the records' ids, as many as payloads; None where the server is to give one.
            project_id: overrides the client's.

        Raises:
            PartlyCreatedError: a batch after the first has failed; ``created`` holds the records that are stored. When
                the first fails, nothing is stored and the error is that of any other call.
            ValueError: a payload holds NaN or an infinity, or there are not as many ids as payloads.
        """
        payloads = list(items)
        if ids is not None and len(ids) != len(payloads):
            raise ValueError(f"{len(ids)} ids for {len(payloads)} payloads")
        encoded = [
            _json({"data": _payload(data)} | _given(id=item_id)) for data, item_id in zip_longest(payloads, ids or ())
        ]
        return self._create_batches(encoded, project_id)

    def get_item(self, item_id: str, *, project_id: str | None = None) -> Flow[TypedAgentData[AgentDataT]]:
        """Return a record; an unknown id is status 404.

        Raises:
            ValidationError: the payload does not fit the type; `untyped_get_item` returns it as it is.
        """
        return self._record(self.connection.ask(Ask(method="GET", path=_path(item_id), **self._to(project_id))))

    def untyped_get_item(self, item_id: str, *, project_id: str | None = None) -> Flow[AgentData]:
        """Return a record with its payload as plain JSON; an unknown id is status 404."""
        ask = Ask(method="GET", path=_path(item_id), **self._to(project_id))
        return _read(AgentData.model_validate_json, self.connection.ask(ask))

    def update_item(
        self, item_id: str, data: AgentDataT, *, if_match: str | None = None, project_id: str | None = None
    ) -> Flow[TypedAgentData[AgentDataT]]:
        """Replace a record's payload as a whole and return the record; an unknown id is status 404.

        Args:
            item_id: the record.
            data: the new payload.
            if_match: the ``etag`` of the record as it was read: when it has changed since, nothing happens and the
                status is 412. Serai only.
            project_id: overrides the client's.
        """
        body = _json({"data": _payload(data)})
        return self._record(self._write("PUT", _path(item_id), project_id, body=body, if_match=if_match))

    def delete_item(self, item_id: str, *, if_match: str | None = None, project_id: str | None = None) -> Flow[None]:
        """Delete a record; an unknown id is status 404.

        Args:
            item_id: the record.
            if_match: the ``etag`` of the record as it was read: when it has changed since, nothing happens and the
                status is 412. Serai only.
            project_id: overrides the client's.
        """
        ask = Ask(method="DELETE", path=_path(item_id), is_write=True, if_match=if_match, **self._to(project_id))
        return self.connection.remove(ask)

    def delete(self, filter: Filter | None, *, project_id: str | None = None) -> Flow[int]:
        """Delete the records that match, all or none, and return how many there were.

        Args:
            filter: as for `search`. It must be given: ``{}`` or ``None``, in so many words, empties the collection.
            project_id: overrides the client's.
        """
        body = _json(self._scope() | {"filter": filter or {}})
        answer = self._write("POST", "/:delete", project_id, body=body)
        return _read(lambda content: DeletedCount.model_validate_json(content).deleted_count, answer)

    def search(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        include_total: bool = False,
        *,
        page_token: str | None = None,
        on_invalid: OnInvalid = "keep",
        project_id: str | None = None,
    ) -> Flow[TypedAgentDataItems[AgentDataT]]:
        """Return a page of the records that match.

        Args:
            filter: field path to operator to operand; all must hold. Operators are eq, ne, gt, gte, lt, lte, includes
                and excludes. ``created_at`` and ``updated_at`` are the record's own; a time without a zone is UTC.
            order_by: fields with ``asc`` or ``desc``, separated by commas; the newest first by default.
            offset: how many matches to leave out.
            page_size: how many records at most; the server's 50 by default, 1000 at most.
            include_total: whether to count all matches.
            page_token: continues after the page it came with.
            on_invalid: what becomes of records whose payload does not fit the type: ``keep`` sets them apart in
                ``invalid_items``, ``skip`` leaves them out, ``raise`` raises an error that holds all the others. The
                first two log a warning.
            project_id: overrides the client's.

        Raises:
            InvalidAgentDataError: a payload does not fit, and ``on_invalid`` is ``raise``.
        """
        sieve = self._record_sieve(on_invalid)
        body = search_body(filter, order_by, offset, page_size, include_total, page_token)
        return self._page_of_records(self._search(body, project_id), sieve)

    def untyped_search(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        include_total: bool = False,
        *,
        page_token: str | None = None,
        project_id: str | None = None,
    ) -> Flow[AgentDataPage]:
        """Return a page as `search` does, with the payloads as plain JSON."""
        return self._search(search_body(filter, order_by, offset, page_size, include_total, page_token), project_id)

    def search_all(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        *,
        page_size: int | None = None,
        on_invalid: OnInvalid = "raise",
        project_id: str | None = None,
    ) -> Walk[TypedAgentData[AgentDataT], InvalidAgentData]:
        """Iterate over all records that match, page after page.

        Args:
            filter: as for `search`.
            order_by: as for `search`.
            page_size: how many records to fetch at a time.
            on_invalid: what becomes of records whose payload does not fit the type: ``raise`` raises an error when all
                others have been yielded (or 100 do not fit), ``skip`` leaves them out, ``keep`` sets them apart in the
                iterator's ``invalid_items``. The latter two log a warning.
            project_id: overrides the client's.

        Raises:
            InvalidAgentDataError: a payload does not fit, and ``on_invalid`` is ``raise``.
        """
        body = search_body(filter, order_by, None, page_size, False, None)
        sieve = self._record_sieve(on_invalid)
        return Walk(
            _all_pages(lambda token: self._search(body | {"page_token": token}, project_id), sieve), sieve.invalid
        )

    def aggregate(  # noqa: PLR0913 - the published interface
        self,
        filter: Filter | None = None,
        group_by: Sequence[str] | None = None,
        count: bool | None = None,
        first: bool | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        *,
        include_total: bool = False,
        page_token: str | None = None,
        on_invalid: OnInvalid = "keep",
        project_id: str | None = None,
    ) -> Flow[TypedAggregateGroupItems[AgentDataT]]:
        """Return a page of the groups of the records that match.

        Args:
            filter: as for `search`.
            group_by: paths of the payload; without any there is one group of all records.
            count: whether to count each group's records.
            first: whether to return the payload of each group's earliest record.
            order_by: grouped paths, ``count``, or ``created_at`` and ``updated_at``, with ``asc`` or ``desc``.
            offset: how many groups to leave out.
            page_size: how many groups at most; the server's 50 by default, 1000 at most.
            include_total: whether to count the groups.
            page_token: continues after the page it came with.
            on_invalid: what becomes of groups whose first payload does not fit the type; as for `search`.
            project_id: overrides the client's.

        Raises:
            InvalidAgentDataError: a payload does not fit, and ``on_invalid`` is ``raise``.
        """
        sieve = self._group_sieve(on_invalid)
        body = search_body(filter, order_by, offset, page_size, include_total, page_token)
        return self._page_of_groups(self._aggregate(body | groups_body(group_by, count, first), project_id), sieve)

    def untyped_aggregate(  # noqa: PLR0913 - the published interface
        self,
        filter: Filter | None = None,
        group_by: Sequence[str] | None = None,
        count: bool | None = None,
        first: bool | None = None,
        order_by: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
        *,
        include_total: bool = False,
        page_token: str | None = None,
        project_id: str | None = None,
    ) -> Flow[AgentDataGroupPage]:
        """Return a page of groups as `aggregate` does, with the first payloads as plain JSON."""
        body = search_body(filter, order_by, offset, page_size, include_total, page_token)
        return self._aggregate(body | groups_body(group_by, count, first), project_id)

    def aggregate_all(
        self,
        filter: Filter | None = None,
        group_by: Sequence[str] | None = None,
        count: bool | None = None,
        first: bool | None = None,
        order_by: str | None = None,
        *,
        page_size: int | None = None,
        on_invalid: OnInvalid = "raise",
        project_id: str | None = None,
    ) -> Walk[TypedAggregateGroup[AgentDataT], InvalidAggregateGroup]:
        """Iterate over all groups of the records that match, page after page.

        The arguments are those of `aggregate`, but for ``on_invalid``, which is that of `search_all`.

        Raises:
            InvalidAgentDataError: a payload does not fit, and ``on_invalid`` is ``raise``.
        """
        body = search_body(filter, order_by, None, page_size, False, None) | groups_body(group_by, count, first)
        sieve = self._group_sieve(on_invalid)
        return Walk(
            _all_pages(lambda token: self._aggregate(body | {"page_token": token}, project_id), sieve), sieve.invalid
        )

    def export(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        *,
        format: Literal["ndjson", "csv"] = "ndjson",
        fields: Sequence[str] | None = None,
        project_id: str | None = None,
    ) -> Walk[bytes, None]:
        r"""Iterate over the bytes of all records that match, all from one moment, at constant memory. Serai only.

        A connection that drops on the way raises `RemoteServerUnavailableError`: what came before is not the whole.

        Args:
            filter: as for `search`.
            order_by: as for `search`.
            format: ``ndjson`` is one record a line, as JSON; ``csv`` is a table with a line of names.
            fields: the columns of the table beside the record's own, as paths; all members of the payloads by default.
            project_id: overrides the client's.
        """
        body = {"filter": filter, "order_by": order_by, "format": format, "fields": fields}
        return Walk(self._pieces(body, project_id), [])

    def export_items(
        self,
        filter: Filter | None = None,
        order_by: str | None = None,
        *,
        on_invalid: OnInvalid = "raise",
        project_id: str | None = None,
    ) -> Walk[TypedAgentData[AgentDataT], InvalidAgentData]:
        """Iterate over all records that match, in one request and all from one moment. Serai only.

        The arguments are those of `search_all`. A connection that drops on the way raises
        `RemoteServerUnavailableError` after the records that have come.

        Raises:
            InvalidAgentDataError: a payload does not fit, and ``on_invalid`` is ``raise``.
        """
        body = {"filter": filter, "order_by": order_by, "format": "ndjson"}
        sieve = self._record_sieve(on_invalid)
        return Walk(self._exported(body, project_id, sieve), sieve.invalid)

    def collections(
        self,
        deployment_name: str | None = None,
        *,
        all_deployments: bool = False,
        project_id: str | None = None,
    ) -> Flow[list[AgentDataCollection]]:
        """Return the collections of a deployment: counts, sizes, known fields and indexes. Serai only.

        Args:
            deployment_name: the client's by default.
            all_deployments: those of every deployment of the project; no deployment may be named then.
            project_id: overrides the client's.

        Raises:
            ValueError: all deployments are asked for, and one is named.
        """
        if all_deployments and deployment_name is not None:
            raise ValueError(f"all_deployments=True and deployment_name={deployment_name!r}: give one of them")
        query = {} if all_deployments else {"deployment_name": deployment_name or self.deployment_name}
        return self._all_collections(query, project_id)

    def _scope(self) -> dict[str, Any]:
        return {"deployment_name": self.deployment_name, "collection": self.collection}

    def _to(self, project_id: str | None) -> dict[str, Any]:
        return {"project_id": project_id or self.project_id}

    def _write(
        self, method: str, path: str, project_id: str | None, *, body: bytes, if_match: str | None = None
    ) -> Flow[bytes]:
        ask = Ask(method=method, path=path, body=body, is_write=True, if_match=if_match, **self._to(project_id))
        return self.connection.ask(ask)

    def _question(self, path: str, body: Mapping[str, Any], project_id: str | None) -> Ask:
        return Ask(method="POST", path=path, body=_json(self._scope() | _given(**body)), **self._to(project_id))

    def _search(self, body: Mapping[str, Any], project_id: str | None) -> Flow[AgentDataPage]:
        answer = self.connection.ask(self._question("/:search", body, project_id))
        return _read(AgentDataPage.model_validate_json, answer)

    def _aggregate(self, body: Mapping[str, Any], project_id: str | None) -> Flow[AgentDataGroupPage]:
        answer = self.connection.ask(self._question("/:aggregate", body, project_id))
        return _read(AgentDataGroupPage.model_validate_json, answer)

    def _all_collections(self, query: Mapping[str, str], project_id: str | None) -> Flow[list[AgentDataCollection]]:
        found: list[AgentDataCollection] = []
        token: str | None = None
        while True:
            asked = {**query, **_given(page_token=token)}
            ask = Ask(method="GET", path="/:collections", query=asked, **self._to(project_id))
            page = AgentDataCollections.model_validate_json((yield from self.connection.ask(ask)))
            found += page.items
            token = page.next_page_token
            if not token:
                return found

    def _record(self, answer: Flow[bytes]) -> Flow[TypedAgentData[AgentDataT]]:
        return _read(lambda content: self._typed(AgentData.model_validate_json(content)), answer)

    def _typed(self, record: AgentData) -> TypedAgentData[AgentDataT]:
        return TypedAgentData.from_raw(record, self.type)

    def _typed_group(self, group: AgentDataGroup) -> TypedAggregateGroup[AgentDataT]:
        return TypedAggregateGroup.from_raw(group, self.type)

    def _record_sieve(self, on_invalid: OnInvalid) -> RecordSieve[AgentDataT]:
        return Sieve(self.type.__name__, on_invalid, self._typed, InvalidAgentData)

    def _group_sieve(self, on_invalid: OnInvalid) -> GroupSieve[AgentDataT]:
        return Sieve(self.type.__name__, on_invalid, self._typed_group, InvalidAggregateGroup)

    def _page_of_records(
        self, answer: Flow[AgentDataPage], sieve: RecordSieve[AgentDataT]
    ) -> Flow[TypedAgentDataItems[AgentDataT]]:
        raw = yield from answer
        page: TypedAgentDataItems[AgentDataT] = TypedAgentDataItems.model_construct(
            items=list(sieve.items(raw.items)), invalid_items=sieve.invalid, **_position(raw)
        )
        sieve.complain(page)
        return page

    def _page_of_groups(
        self, answer: Flow[AgentDataGroupPage], sieve: GroupSieve[AgentDataT]
    ) -> Flow[TypedAggregateGroupItems[AgentDataT]]:
        raw = yield from answer
        page: TypedAggregateGroupItems[AgentDataT] = TypedAggregateGroupItems.model_construct(
            items=list(sieve.items(raw.items)), invalid_items=sieve.invalid, **_position(raw)
        )
        sieve.complain(page)
        return page

    def _create_batches(
        self, encoded: Sequence[bytes], project_id: str | None
    ) -> Flow[list[TypedAgentData[AgentDataT]]]:
        from httpx import HTTPStatusError  # noqa: PLC0415 - costs more than this module

        head = _json(self._scope())[:-1] + b', "items": ['
        created: list[AgentData] = []
        for batch in batches(encoded):
            try:
                content = yield from self._write("POST", "/:batch", project_id, body=head + b", ".join(batch) + b"]}")
            except (HTTPStatusError, RemoteServerUnavailableError) as error:
                if not created:
                    raise
                stored = [self._typed(record) for record in created]
                raise PartlyCreatedError(stored, missing=len(encoded) - len(created), reason=error) from error
            records = AgentDataBatch.model_validate_json(content).items
            if len(records) != len(batch):
                raise ValueError(f"the server answered {len(records)} records for a batch of {len(batch)}")
            created += records
        return [self._typed(record) for record in created]

    def _pieces(self, body: Mapping[str, Any], project_id: str | None) -> StreamFlow[bytes]:
        yield from self.connection.open(self._question("/:export", body, project_id))
        while (piece := (yield Read())) is not None:
            yield Emit(piece)

    def _exported(
        self, body: Mapping[str, Any], project_id: str | None, sieve: RecordSieve[AgentDataT]
    ) -> StreamFlow[TypedAgentData[AgentDataT]]:
        yield from self.connection.open(self._question("/:export", body, project_id))
        rest, is_open = b"", True
        while is_open:
            piece = yield Read()
            is_open = piece is not None
            found, rest = lines(rest, piece)
            for item in sieve.items(AgentData.model_validate_json(line) for line in found):
                yield Emit(item)
            if sieve.is_hopeless:
                break
        sieve.complain()


def _all_pages(
    fetch: Callable[[str | None], Flow[AgentDataPage]] | Callable[[str | None], Flow[AgentDataGroupPage]],
    sieve: Sieve[Any, Item, Any],
) -> StreamFlow[Item]:
    token: str | None = None
    while True:
        page = yield from fetch(token)
        for item in sieve.items(page.items):
            yield Emit(item)
        token = page.next_page_token
        if sieve.is_hopeless or not token:
            sieve.complain()
        if not token:
            return


def _read(parse: Callable[[bytes], Item], answer: Flow[bytes]) -> Flow[Item]:
    return parse((yield from answer))


def _position(page: AgentDataPage | AgentDataGroupPage) -> dict[str, Any]:
    token = page.next_page_token or None
    return {"total": page.total_size, "has_more": token is not None, "next_page_token": token}


def _payload(data: AgentDataT) -> dict[str, Any]:
    return data.model_dump(mode="json")


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _json(value: Any) -> bytes:
    return json.dumps(to_jsonable_python(value), allow_nan=False).encode()


def _path(item_id: str) -> str:
    if item_id in {"", ".", ".."}:
        raise ValueError(f"item_id must not be {item_id!r}: it is part of the URL's path")
    return f"/{quote(item_id, safe='')}"
