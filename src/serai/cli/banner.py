"""What a node says about itself when it has started: short plain text, to be read by people and by scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from serai.cli.invocation import own_command
from serai.demo.models import DEMO_MODEL_NAME

if TYPE_CHECKING:
    from serai.server.app import AgentOS
    from serai.settings import Settings

_EXAMPLE = """
Try it:
  {command} run {agent} "What is 2 + 2?"{url_flag}

  curl {url}/agents/{agent}/runs -F message="What is 2 + 2?" -F stream=false{curl_key}

  from serai.client import SyncAgentOSClient
  client = SyncAgentOSClient(base_url="{url}"{python_key})
  print(client.run_agent("{agent}", "What is 2 + 2?").content)
"""


def print_banner(agent_os: AgentOS, *, settings: Settings, url: str, took_s: float) -> None:
    """Print where the server listens (the first line), what it runs, where its data lies, and how to try it."""
    lines = [
        f"listening on {url}",
        *_describe(agent_os, settings),
        f"  API       {url}/docs",
        f"  started in {took_s:.1f} s; Ctrl-C stops it",
    ]
    print("\n".join(lines), flush=True)
    if agent_os.agents:
        print(_example(next(iter(agent_os.agents)), settings=settings, url=url), flush=True)


def print_worker_banner(agent_os: AgentOS, *, settings: Settings, took_s: float) -> None:
    """Print what the worker runs and where its data lies."""
    lines = ["working", *_describe(agent_os, settings), f"  started in {took_s:.1f} s; Ctrl-C stops it"]
    print("\n".join(lines), flush=True)


def _describe(agent_os: AgentOS, settings: Settings) -> list[str]:
    lines = []
    for agent in agent_os.agents.values():
        demo = " (a script, no LLM; set SERAI_MODEL for a real model)" if agent.model_name == DEMO_MODEL_NAME else ""
        model = ":".join(part for part in (agent.model_provider, agent.model_name) if part) or "no fixed model"
        lines.append(f"  agent     {agent.id} on {model}{demo}")
    lines += [f"  team      {team.id} of {len(team.members)}, {team.mode}" for team in agent_os.teams.values()]
    lines += [f"  workflow  {workflow_id}" for workflow_id in agent_os.workflows]
    return [*lines, f"  data      {_data_place(settings)}"]


def _data_place(settings: Settings) -> str:
    if settings.database_url is not None:
        return without_password(settings.database_url.get_secret_value())
    from serai.storage.embedded import default_data_dir  # noqa: PLC0415 - only needed without a URL

    return f"{settings.data_dir or default_data_dir()} (own PostgreSQL)"


def without_password(url: str) -> str:
    """Return a database URL that can be shown: no password, no query."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}"


def _example(agent: str, *, settings: Settings, url: str) -> str:
    keyed = settings.security_key is not None
    return _EXAMPLE.format(
        command=own_command(),
        agent=agent,
        url=url,
        url_flag="" if url == "http://127.0.0.1:7777" else f" --url {url}",
        curl_key=' -H "Authorization: Bearer $SERAI_SECURITY_KEY"' if keyed else "",
        python_key=', security_key="…"' if keyed else "",
    )
