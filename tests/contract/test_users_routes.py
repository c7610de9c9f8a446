"""A user's own routes and middleware beside ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serai.errors import ConflictError
from tests.hosting import IdleRuntime, http_client, make_os, serving


class ErrorBody(BaseModel):
    """A user's model that happens to be named like one of ours."""

    reason: str


class Stamp:
    """A user's middleware: marks every answer."""

    def __init__(self, app: ASGIApp, *, mark: str) -> None:
        self.app = app
        self.mark = mark.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-mark", self.mark)]
            await send(message)

        await self.app(scope, receive, stamped if scope["type"] == "http" else send)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app) as url, http_client(url) as client:
        yield client


async def test_routes_of_the_base_app_and_of_later_routers_are_served_and_documented():
    base = FastAPI()

    @base.get("/mine")
    async def mine() -> dict[str, str]:
        return {"from": "base"}

    os = make_os(base_app=base)
    router = APIRouter(prefix="/shop")

    @router.get("/{item}")
    async def item(item: str) -> dict[str, str]:
        return {"item": item}

    os.app.include_router(router)
    assert os.app is base
    async with client_of(os.app) as client:
        assert (await client.get("/mine")).json() == {"from": "base"}
        assert (await client.get("/shop/tea")).json() == {"item": "tea"}
        assert {"/mine", "/shop/{item}", "/agents"} <= set((await client.get("/openapi.json")).json()["paths"])


async def test_a_users_schema_may_share_its_name_with_one_of_ours():
    os = make_os()

    @os.app.get("/mine")
    async def mine() -> ErrorBody:
        return ErrorBody(reason="none")

    document = os.app.openapi()
    assert list(document["components"]["schemas"]["ErrorBody"]["properties"]) == ["reason"]
    assert list(document["components"]["schemas"]["SeraiErrorBody"]["properties"]) == ["detail"]
    described = document["paths"]["/agents/{agent_id}"]["get"]["responses"]["404"]["content"]["application/json"]
    assert described == {"schema": {"$ref": "#/components/schemas/SeraiErrorBody"}}
    assert os.app.openapi() == document


async def test_a_user_may_add_a_method_to_one_of_our_paths():
    os = make_os()

    @os.app.post("/agents")
    async def add_agent() -> dict[str, bool]:
        return {"mine": True}

    async with client_of(os.app) as client:
        assert (await client.post("/agents")).json() == {"mine": True}
        assert (await client.get("/agents")).json()[0]["id"] == "my-agent"
        assert (await client.put("/agents")).headers["allow"] == "GET, HEAD, POST"


async def test_a_users_route_below_one_of_ours_is_no_id_with_slashes():
    os = make_os()

    @os.app.get("/sessions/{session_id}/export")
    async def export(session_id: str) -> dict[str, str]:
        return {"exported": session_id}

    async with client_of(os.app) as client:
        assert (await client.get("/sessions/s-1/export")).json() == {"exported": "s-1"}


async def test_on_the_same_method_and_path_ours_wins_and_a_warning_says_so(caplog: pytest.LogCaptureFixture):
    base = FastAPI()

    @base.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "mine"}

    async with client_of(make_os(base_app=base).app) as client:
        assert (await client.get("/health")).json()["status"] == "ok"
    assert "GET /health of the base app is hidden" in caplog.text


async def test_a_users_middleware_sees_our_routes_whenever_it_was_added():
    base = FastAPI()
    base.add_middleware(Stamp, mark="early")
    os = make_os(base_app=base)
    os.app.add_middleware(Stamp, mark="late")
    async with client_of(os.app) as client:
        response = await client.get("/agents")
    assert response.headers.get_list("x-mark") == ["early", "late"]


async def test_a_users_http_middleware_sees_route_and_endpoint_of_our_routes():
    os = make_os()
    seen = []

    async def look(request: Request, call_next):
        response = await call_next(request)
        seen.append((request.scope["route"].path, request.scope["endpoint"].__name__, request.path_params))
        return response

    os.app.add_middleware(BaseHTTPMiddleware, dispatch=look)
    async with client_of(os.app) as client:
        assert (await client.get("/agents/my-agent")).status_code == 200
    assert seen == [("/agents/{agent_id}", "get_agent", {"agent_id": "my-agent"})]


async def test_a_users_lifespan_runs_inside_the_runtimes():
    runtime = IdleRuntime()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime.log.append(f"user up, runtime is {'up' if app.state.serai is runtime else 'down'}")
        yield
        runtime.log.append("user down")

    async with client_of(make_os(runtime, base_app=FastAPI(lifespan=lifespan)).app):
        pass
    assert runtime.log == ["start", "user up, runtime is up", "user down", "stop"]


async def test_the_runtime_is_stopped_when_the_users_lifespan_fails():
    runtime = IdleRuntime()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise RuntimeError("no coffee")
        yield

    app = make_os(runtime, base_app=FastAPI(lifespan=lifespan)).app
    with pytest.raises(RuntimeError, match="no coffee"):
        async with app.router.lifespan_context(app):
            pass
    assert runtime.log == ["start", "stop"]


async def test_our_errors_and_a_users_own_handlers_work_in_a_users_route():
    base = FastAPI()

    class OutOfTeaError(Exception):
        pass

    @base.exception_handler(OutOfTeaError)
    async def out_of_tea(request: Request, error: OutOfTeaError) -> JSONResponse:
        return JSONResponse({"tea": "none"}, 418)

    @base.exception_handler(Exception)
    async def anything(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"oops": type(error).__name__}, 500)

    @base.get("/conflict")
    async def conflict() -> None:
        raise ConflictError("The kettle is taken.")

    @base.get("/tea")
    async def tea() -> None:
        raise OutOfTeaError

    @base.get("/bug")
    async def bug() -> None:
        raise KeyError("x")

    async with client_of(make_os(base_app=base).app) as client:
        conflict_answer = await client.get("/conflict")
        assert (conflict_answer.status_code, conflict_answer.json()) == (409, {"detail": "The kettle is taken."})
        assert "x-should-retry" not in conflict_answer.headers
        assert (await client.get("/tea")).status_code == 418
        assert (await client.get("/bug")).json() == {"oops": "KeyError"}


async def test_the_app_works_mounted_below_a_path_when_its_lifespan_is_entered():
    os = make_os()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with os.app.router.lifespan_context(os.app):
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/agents-os", os.app)
    async with client_of(outer) as client:
        assert (await client.get("/agents-os/ready")).json() == {"status": "ready"}
        assert (await client.get("/agents-os/agents/my%2Dagent/")).json()["id"] == "my-agent"
        assert (await client.get("/agents-os/agents/my%2Fagent")).json() == {"detail": "Agent not found"}
