"""Clients of an AgentOS server, asynchronous and blocking; httpx and pydantic are loaded at the first call."""

from serai.client.aio import AgentOSClient
from serai.client.sync import SyncAgentOSClient

__all__ = ["AgentOSClient", "SyncAgentOSClient"]
