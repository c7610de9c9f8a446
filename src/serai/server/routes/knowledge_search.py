"""Searching knowledge bases, and what they can read, cut and filter by."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from serai.domain.json_text import dump_json
from serai.errors import RequestError
from serai.server.answers import json_answer
from serai.server.dispatch import Route
from serai.server.knowledge_bodies import bases_of, named_base, read_search
from serai.server.knowledge_views import show_config, show_found
from serai.server.large_work import make
from serai.server.openapi import errors, json_body, json_result
from serai.server.paging import DEFAULT_LISTED, Paging, page_body
from serai.server.routes.knowledge_shapes import CONFIG, PAGE_OF_FOUND, SCOPE, SEARCH, SEARCHED, TAGS
from serai.server.scope import PROJECT_PARAMETERS, project_of


async def search_knowledge(request: Request) -> Response:
    """Find the chunks of a base that fit a query, best first."""
    project_id = project_of(request)
    body, ignored = await read_search(request)
    base = named_base(request, body.db_id, body.knowledge_id)
    if body.vector_db_ids and base.id not in body.vector_db_ids:
        raise RequestError(f"vector_db_ids must have {base.id!r} among them, as GET /knowledge/config lists it.")
    limit = (body.meta and body.meta.limit) or body.limit or DEFAULT_LISTED
    paging = Paging(limit, body.meta.page if body.meta else 1)
    question = base.question(
        project_id, body.query, search_type=body.search_type, filters=body.filters, limit=body.max_results
    )
    started = time.perf_counter()
    found = await base.search(question)
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    shown = found[paging.offset : paging.offset + paging.limit]

    def show() -> bytes:
        items = (dump_json(show_found(chunk)) for chunk in shown)
        return page_body(items, total=len(found), paging=paging, search_time_ms=took_ms)

    return json_answer(await make(show, items=len(shown)), ignored=ignored)


async def get_config(request: Request) -> Response:
    """Say what a base, or all of them, can read, cut and search, and by what contents can be filtered."""
    bases = bases_of(request)
    project_id = project_of(request)
    filters = [key for base in bases for key in await base.contents.metadata_keys(project_id, base.id)]
    return json_answer(show_config(bases, filters))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/knowledge/search",
        handler=search_knowledge,
        summary="Search a knowledge base",
        description=SEARCHED,
        tags=TAGS,
        parameters=PROJECT_PARAMETERS,
        body=json_body(SEARCH),
        responses={**json_result(PAGE_OF_FOUND), **errors(400, 401, 403, 404, 413, 422, 503)},
    ),
    Route(
        method="GET",
        path="/knowledge/config",
        handler=get_config,
        summary="What knowledge bases can read, cut and filter by",
        description="Of all bases, unless one is named.",
        tags=TAGS,
        parameters=SCOPE,
        responses={**json_result(CONFIG), **errors(400, 401, 403, 404, 422, 503)},
    ),
)
