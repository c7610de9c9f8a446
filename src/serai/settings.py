"""The server's settings: one table, read from ``SERAI_…`` variables; flags override them. No I/O beyond that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an operator can set. Each field is ``SERAI_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="SERAI_", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 16 or newer; without it the server starts its own in data_dir."
    )
    data_dir: Path | None = Field(None, description="Folder of the server's own PostgreSQL.")
    database_connections: int = Field(8, ge=2, le=200, description="Connections a process holds for statements.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7777, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    security_key: SecretStr | None = Field(None, description="Bearer key that every request must carry.")
    insecure: bool = Field(False, description="Allow an address other than loopback without a security key.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Host names, comma separated, that a keyless server answers to beside loopback's."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins, comma separated, whose pages may call the API; * for all (needs a key)."
    )
    max_body_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="Largest request body, in bytes.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged.")
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto: text on a terminal, JSON lines elsewhere."
    )
    model: str | None = Field(
        None, description="pydantic-ai model string of the demo OS and of work on memories, e.g. openai:gpt-5-mini."
    )
    node_name: str | None = Field(None, description="Name of this node in logs and tables; default host and pid.")
    max_runs: int = Field(64, ge=1, le=10_000, description="Runs this node holds at a time.")
    lease_s: float = Field(10.0, ge=2, le=600, description="Seconds until a frozen node's runs are taken over.")
    max_takeovers: int = Field(5, ge=0, description="Takeovers of one run before it ends as ERROR.")
    drain_s: float = Field(20.0, ge=0, description="Seconds a stopping node waits for its runs before handing over.")
    heartbeat_s: float = Field(10.0, gt=0, le=15, description="Seconds of silence before a stream gets a comment.")
    traces: bool = Field(True, description="Whether runs are traced.")
    trace_content: bool = Field(True, description="Whether traces keep what was asked and answered.")
    trace_characters: int = Field(4000, ge=0, le=1_000_000, description="Characters a trace keeps of one such text.")
    trace_secrets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names of fields, comma separated, whose values traces mask beside the known ones."
    )
    trace_libraries: bool = Field(
        False, description="Whether spans that libraries and tools tell OpenTelemetry of become part of runs' traces."
    )
    history_runs: int = Field(3, ge=0, le=1000, description="Earlier runs of a session an agent sees by default.")

    record_indexes: Literal["auto", "declared", "off"] = Field(
        "auto", description="Indexes of records: auto makes them where questions are slow; off makes and uses none."
    )
    record_index_slow_ms: float = Field(10.0, gt=0, description="Milliseconds from which a question counts as slow.")
    record_indexes_per_collection: int = Field(8, ge=1, le=64, description="Indexes a collection may have.")
    record_indexes_total: int = Field(200, ge=1, le=2000, description="Indexes all collections may have together.")
    record_index_unused_days: int = Field(
        14, ge=1, le=3650, description="Days until an index that nobody uses is dropped, unless it is declared."
    )

    keep_steps_days: float = Field(1, ge=0, description="Days the journal of an ended run is kept; 0: for ever.")
    keep_token_deltas_days: float = Field(
        7, ge=0, description="Days until the pieces of an ended run's answer become one event; 0: never."
    )
    keep_events_days: float = Field(30, ge=0, description="Days the events of an ended run are kept; 0: for ever.")
    keep_traces_days: float = Field(30, ge=0, description="Days traces are kept; 0: for ever.")
    keep_sessions_days: float = Field(
        0, ge=0, description="Days a session is kept with its runs after its last change; 0: for ever."
    )
    keep_schedule_runs_days: float = Field(
        90, ge=0, description="Days it is known which runs a schedule has started; 0: for ever."
    )
    keep_memory_changes_days: float = Field(
        365, ge=0, description="Days the changes of memories are kept and can be undone; 0: for ever."
    )

    @field_validator("database_url")
    @classmethod
    def _check_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://, as in postgresql://user:password@host:5432/database")
        return value

    @field_validator("allowed_hosts", "cors_origins", "trace_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
