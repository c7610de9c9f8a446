"""What a server says about itself and its agents, teams and workflows."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serai.wire.model import ListOrNull, WireModel


class Model(WireModel):
    """A language model by id and provider."""

    id: str | None = None
    provider: str | None = None


class ComponentModel(WireModel):
    """The model a component is set up with."""

    name: str | None = None
    model: str | None = None
    provider: str | None = None


class ComponentSummary(WireModel):
    """What lists say about a component of any kind."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    db_id: str | None = None
    metadata: dict[str, Any] | None = None
    sandboxed: bool | None = None


class AgentSummaryResponse(ComponentSummary):
    """An agent in a list."""

    model: Model | None = None


class TeamSummaryResponse(ComponentSummary):
    """A team in a list; ``mode`` is coordinate, route, broadcast or tasks."""

    model: Model | None = None
    mode: str | None = None


class WorkflowSummaryResponse(ComponentSummary):
    """A workflow in a list."""

    is_factory: bool | None = None
    factory_input_schema: dict[str, Any] | None = None
    is_component: bool | None = None
    current_version: int | None = None
    stage: str | None = None


class InterfaceResponse(WireModel):
    """A further interface the server offers, for example a chat service's."""

    type: str | None = None
    version: str | None = None
    route: str | None = None


class DomainConfig(WireModel):
    """How one domain (sessions, memories …) is shown."""

    display_name: str | None = None


class DomainDatabase(WireModel):
    """A database that serves a domain."""

    db_id: str | None = None
    domain_config: DomainConfig | None = None
    tables: list[str] | None = None


class Domain(WireModel):
    """A domain and the databases that serve it."""

    display_name: str | None = None
    dbs: list[DomainDatabase] | None = None


class KnowledgeInstance(WireModel):
    """One knowledge base."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    db_id: str | None = None
    table: str | None = None


class KnowledgeDomain(Domain):
    """The knowledge domain with its knowledge bases."""

    knowledge_instances: list[KnowledgeInstance] | None = None


class ChatConfig(WireModel):
    """Prompts to offer, by component id."""

    quick_prompts: dict[str, list[str]] | None = None


class QueueConfig(WireModel):
    """What the server promises about waiting runs."""

    durable: bool | None = None
    queue_per_session: bool | None = None


class ConfigResponse(WireModel):
    """A server's configuration."""

    os_id: str | None = None
    name: str | None = None
    description: str | None = None
    os_database: str | None = None
    databases: ListOrNull[str] = Field(default_factory=list)
    available_models: ListOrNull[Model | str] = Field(default_factory=list)
    agents: ListOrNull[AgentSummaryResponse] = Field(default_factory=list)
    teams: ListOrNull[TeamSummaryResponse] = Field(default_factory=list)
    workflows: ListOrNull[WorkflowSummaryResponse] = Field(default_factory=list)
    interfaces: ListOrNull[InterfaceResponse] = Field(default_factory=list)
    session: Domain | None = None
    metrics: Domain | None = None
    memory: Domain | None = None
    evals: Domain | None = None
    traces: Domain | None = None
    learning: Domain | None = None
    knowledge: KnowledgeDomain | None = None
    chat: ChatConfig | None = None
    manifest: dict[str, dict[str, Any]] | None = None
    queue: QueueConfig | None = None


class ComponentResponse(WireModel):
    """What the detail views of all components have in common; sub-objects are free-form JSON."""

    id: str | None = None
    name: str | None = None
    db_id: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    is_component: bool | None = None
    is_factory: bool | None = None
    factory_input_schema: dict[str, Any] | None = None
    sandboxed: bool | None = None
    current_version: int | None = None
    stage: str | None = None


class ModelledComponent(ComponentResponse):
    """What agents and teams have in common."""

    role: str | None = None
    introduction: str | None = None
    model: ComponentModel | None = None
    tools: dict[str, Any] | list[Any] | None = None
    sessions: dict[str, Any] | None = None
    knowledge: dict[str, Any] | None = None
    memory: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    default_tools: dict[str, Any] | None = None
    system_message: dict[str, Any] | None = None
    response_settings: dict[str, Any] | None = None
    streaming: dict[str, Any] | None = None


class AgentResponse(ModelledComponent):
    """An agent in full; ``tools["tools"]`` lists name, description and parameters of each tool."""

    extra_messages: dict[str, Any] | None = None
    filesystem: bool | None = None


class TeamResponse(ModelledComponent):
    """A team in full, with its members."""

    mode: str | None = None
    members: list[AgentResponse | TeamResponse] | None = None


class WorkflowResponse(ComponentResponse):
    """A workflow in full; ``steps`` are free-form JSON."""

    steps: list[dict[str, Any]] | None = None
    agent: dict[str, Any] | None = None
    team: dict[str, Any] | None = None
    workflow_agent: bool | None = None


class McpInfo(WireModel):
    """The server's own MCP endpoint."""

    enabled: bool | None = None
    path: str | None = None
    oauth: Any = None
    tool_run_endpoint: Any = None


class InfoResponse(WireModel):
    """Versions, counts and the way to sign in; served without a key."""

    os_id: str | None = None
    os_version: str | None = None
    agno_version: str | None = None
    name: str | None = None
    agent_count: int | None = None
    team_count: int | None = None
    workflow_count: int | None = None
    mcp: McpInfo | None = None
    auth_mode: str | None = None
    user_isolation: bool | None = None
