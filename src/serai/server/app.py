"""AgentOS: components and settings in, one ASGI app out. Here the routes, the middleware and the runtime meet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from serai.domain.ids import slugify
from serai.errors import ConfigurationError
from serai.server.access import LoopbackGuard, SecurityKey, check_key
from serai.server.components import Agent, Component, Components, Team, Workflow, check_kind
from serai.server.context import Description, RuntimeLifecycle
from serai.server.dispatch import Route, install
from serai.server.errors import install_error_handlers
from serai.server.http_series import RequestMeter
from serai.server.logs import route_structlog
from serai.server.middleware import BodyLimit, RequestContext
from serai.server.routes import (
    databases,
    discovery,
    evals,
    knowledge,
    knowledge_search,
    memories,
    memory_changes,
    metrics,
    monitoring,
    otlp,
    record_collections,
    record_queries,
    records,
    retention,
    runs,
    schedules,
    session_runs,
    sessions,
    traces,
)
from serai.server.schedules import resolve
from serai.settings import Settings

if TYPE_CHECKING:
    import pydantic_ai

    from serai.components.agent import AgentComponent
    from serai.knowledge.options import Knowledge
    from serai.memory.options import Memory
    from serai.records.indexes.declared import RecordIndex
    from serai.server.schedules import Schedule

_READABLE_HEADERS = ("X-Request-Id", "Retry-After", "Location", "ETag")


class AgentOS:
    """A server for agents, teams and workflows, as one ASGI app.

    Args:
        name: what people call it; default "Serai".
        id: what programs call it; default made from the name.
        description: one line for its configuration page.
        agents: pydantic-ai agents, each with a name, or components that wrap them.
        teams: teams; their members need not be among the agents.
        workflows: workflows.
        base_app: a FastAPI app to build into; its routes, middleware and lifespan stay.
        settings: default read from the environment.
        quick_prompts: prompts that user interfaces offer, by the id of an agent, team or workflow; of each the first
            three.
        record_indexes: indexes of records to be made whether questions are slow or not.
        memory: what agents remember of their users that are given as they are; an `AgentComponent` or a team says it
            itself.
        knowledge: bases of documents; those of the agents and teams are there without being named; True: one with its
            defaults.
        schedules: when to start runs of which component; those declared before under this id and no more are removed.
        runtime_factory: makes the runtime from this OS; for tests.

    Raises:
        ConfigurationError: an agent has no name, two of a kind have the same id, one is of another kind, two knowledge
            bases have the same id, or a schedule is for none of them.
    """

    def __init__(  # noqa: PLR0913 - each is one thing an operator may say
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the published name
        description: str | None = None,
        agents: Sequence[pydantic_ai.Agent[Any, Any] | AgentComponent | Agent] = (),
        teams: Sequence[Team] = (),
        workflows: Sequence[Workflow] = (),
        base_app: FastAPI | None = None,
        settings: Settings | None = None,
        quick_prompts: Mapping[str, Sequence[str]] | None = None,
        record_indexes: Sequence[RecordIndex] = (),
        memory: Memory | bool | None = None,
        knowledge: Knowledge | Sequence[Knowledge] | bool | None = None,
        schedules: Sequence[Schedule] = (),
        runtime_factory: Callable[[AgentOS], RuntimeLifecycle] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.name = name or "Serai"
        self.id = id or slugify(self.name)
        if not self.id:
            raise ConfigurationError(f"The name {self.name!r} has no letter or digit to make an id of: pass id=….")
        self.description = description
        self.components = Components(
            agents=[_as_agent(agent, self.settings, memory) for agent in agents],
            teams=[check_kind(team, "team") for team in teams],
            workflows=[check_kind(workflow, "workflow") for workflow in workflows],
        )
        self.quick_prompts = {key: tuple(prompts) for key, prompts in (quick_prompts or {}).items()}
        if unknown := sorted(set(self.quick_prompts) - {component.id for component in self.components}):
            raise ConfigurationError(f"quick_prompts names {unknown[0]!r}, and no component has that id.")
        self.record_indexes = tuple(record_indexes)
        self.knowledge = _all_knowledge(knowledge, self.components)
        self.schedules = resolve(schedules, [(component.kind, component.id) for component in self.components])
        self._base_app = base_app
        self._runtime_factory = runtime_factory or _make_runtime

    @property
    def agents(self) -> Mapping[str, Agent]:
        """The agents by id."""
        return self.components.agents

    @property
    def teams(self) -> Mapping[str, Team]:
        """The teams by id."""
        return self.components.teams

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows by id."""
        return self.components.workflows

    @cached_property
    def app(self) -> FastAPI:
        """The ASGI app, built at its first use; more routes and middleware may be added to it.

        Raises:
            ConfigurationError: the key is empty, or pages of any origin may call and there is none.
        """
        settings = self.settings
        check_key(settings)
        app = self._base_app or self._new_app()
        app.state.serai = None
        app.state.serai_description = Description(
            id=self.id,
            name=self.name,
            description=self.description,
            started_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            settings=settings,
            components=self.components,
            quick_prompts=self.quick_prompts,
            knowledge=self.knowledge,
        )
        install_error_handlers(app)
        routes = all_routes()
        install(app, routes, secured=settings.security_key is not None)
        _add_middleware(app, settings, routes)
        users_lifespan = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
            async with self._running(app), users_lifespan(app) as state:
                yield state

        app.router.lifespan_context = lifespan  # type: ignore[assignment] # the state it yields may be None
        return app

    def _new_app(self) -> FastAPI:
        return FastAPI(
            title=self.name,
            version=version("serai"),
            description=self.description or "",
            # FastAPI's own costs every request 2.5 µs to find that nobody listens.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )

    @asynccontextmanager
    async def _running(self, app: FastAPI) -> AsyncIterator[None]:
        route_structlog()
        runtime = self._runtime_factory(self)
        await runtime.start()
        app.state.serai = runtime
        try:
            yield
        finally:
            app.state.serai = None
            await runtime.stop()


def all_routes() -> list[Route]:
    """Return every operation that a server offers."""
    modules = (
        discovery,
        runs,
        sessions,
        session_runs,
        memories,
        memory_changes,
        metrics,
        otlp,
        evals,
        traces,
        knowledge,
        knowledge_search,
        databases,
        schedules,
        retention,
        records,
        record_queries,
        record_collections,
        monitoring,
    )
    return [route for module in modules for route in module.ROUTES]


def _as_agent(agent: Any, settings: Settings, memory: Memory | bool | None) -> Agent:
    if isinstance(agent, Component):
        return cast("Agent", check_kind(agent, "agent"))
    if not agent.name:
        raise ConfigurationError(
            f"An agent has no name: {agent!r}. Its address is made from it: write Agent(…, name='my-agent')."
        )
    from serai.components.agent import AgentComponent  # noqa: PLC0415 - pulls in pydantic-ai

    return AgentComponent(agent, history_runs=settings.history_runs, memory=memory)


def _all_knowledge(
    given: Knowledge | Sequence[Knowledge] | bool | None, components: Components
) -> tuple[Knowledge, ...]:
    """Return the bases of an OS: its own, and those of its components and of what is in them."""
    of_components = [base for part in components.modelled() for base in part.knowledge]
    if not given and not of_components:
        return ()
    from serai.knowledge.options import by_id, knowledge_of  # noqa: PLC0415 - pulls in pydantic-ai

    return tuple(by_id([*knowledge_of(given), *of_components]).values())


def _make_runtime(os: AgentOS) -> RuntimeLifecycle:
    from serai.server.runtime import Runtime  # noqa: PLC0415 - pulls in the database and the engine

    return Runtime(
        settings=os.settings,
        components=os.components,
        record_indexes=os.record_indexes,
        os_id=os.id,
        schedules=os.schedules,
        knowledge=os.knowledge,
    )


def _add_middleware(app: FastAPI, settings: Settings, routes: Sequence[Route]) -> None:
    """Put our middleware around what the app has; the last one added is the outermost."""
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if settings.security_key is not None:
        app.add_middleware(
            SecurityKey, key=settings.security_key.get_secret_value(), open_paths=_open_paths(app, routes)
        )
    else:
        app.add_middleware(LoopbackGuard, allowed_hosts=settings.allowed_hosts, allowed_origins=settings.cors_origins)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("*",),
            allow_headers=("*",),
            expose_headers=_READABLE_HEADERS,
        )
    app.add_middleware(RequestContext, meter=RequestMeter(app))


def _open_paths(app: FastAPI, routes: Sequence[Route]) -> set[str]:
    documents = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    return {route.path for route in routes if route.open} | {path for path in documents if path}
