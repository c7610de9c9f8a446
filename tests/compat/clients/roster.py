"""The published clients we promise to serve: their packages, scripts of checks and locked environments.

The tests run the scripts; the compatibility page is written from them. Uses the standard library alone.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_NODE_CHECK = re.compile(r'^check\("(\w+)"', re.MULTILINE)


@dataclass(frozen=True)
class PublishedClient:
    """One released client.

    Attributes:
        name: what a test calls it.
        title: package and version, as the compatibility page shows them.
        environment: the folder with the lock of its packages.
        scripts: what is run in that environment, of Python or (``.mjs``) of Node.
        generation: its major version where the checks depend on it.
    """

    name: str
    title: str
    environment: str
    scripts: tuple[str, ...]
    generation: int | None = None

    def check_names(self, scripts: tuple[str, ...] | None = None) -> list[str]:
        """Names of the checks that the client has to pass, read from its scripts or these: it need not be installed."""
        return [name for script in scripts or self.scripts for name in self.script_check_names(script)]

    def script_check_names(self, script: str) -> list[str]:
        """Names of the checks of one of its scripts."""
        source = (FOLDER / script).read_text()
        if script.endswith(".mjs"):
            return _NODE_CHECK.findall(source)
        return check_names(source, self.generation)


AGENT_SCRIPTS = ("agno_runs.py", "agno_pauses.py", "agno_cancels.py", "agno_media.py")
TEAM_SCRIPTS = ("agno_teams.py", "agno_team_streams.py", "agno_team_pauses.py")
WORKFLOW_SCRIPTS = (
    "agno_workflows.py",
    "agno_workflow_streams.py",
    "agno_workflow_pauses.py",
    "agno_executor_pauses.py",
)
CANCEL_SCRIPTS = ("agno_nested_cancels.py",)
STATE_SCRIPTS = (
    "agno_sessions.py",
    "agno_memories.py",
    "agno_remembering.py",
    "agno_metrics.py",
    "agno_evals.py",
    "agno_knowledge.py",
)
TRACE_SCRIPTS = ("agno_traces.py",)
_AGNO_SCRIPTS = (*AGENT_SCRIPTS, *TEAM_SCRIPTS, *WORKFLOW_SCRIPTS, *CANCEL_SCRIPTS, *STATE_SCRIPTS, *TRACE_SCRIPTS)
AGENTS_CLIENTS = (
    PublishedClient("agno_3", "agno 3.1.10", "agno_3", _AGNO_SCRIPTS, 3),
    PublishedClient("agno_2", "agno 2.5.17", "agno_2", _AGNO_SCRIPTS, 2),
)
RECORDS_CLIENTS = (
    PublishedClient(
        "llama_cloud_services",
        "llama-cloud-services 0.6.94",
        "llama_cloud_services",
        ("llama_cloud_services_records.py", "llama_cloud_services_queries.py"),
    ),
    PublishedClient(
        "llama_cloud", "llama-cloud 2.x", "llama_cloud", ("llama_cloud_records.py", "llama_cloud_queries.py")
    ),
    PublishedClient("npm_services", "npm llama-cloud-services 0.5.4", "npm", ("npm_services.mjs",)),
    PublishedClient("npm_llama_cloud", "npm @llamaindex/llama-cloud 2.16.0", "npm", ("npm_llama_cloud.mjs",)),
)
STORES = (
    PublishedClient(
        "llama_agents_server",
        "llama-agents-server 0.8.0, AgentDataStore",
        "llama_agents_server",
        ("llama_agents_server_store.py",),
    ),
)
CLIENTS = (*AGENTS_CLIENTS, *RECORDS_CLIENTS, *STORES)


def check_names(source: str, generation: int | None) -> list[str]:
    """Return the names of the checks that a script of Python registers, read from its text."""
    names = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            name = call.func if call else decorator
            if not isinstance(name, ast.Name) or name.id not in {"check", "check_generation"}:
                continue
            if call is None or generation in [ast.literal_eval(argument) for argument in call.args]:
                names.append(node.name)
    return names
