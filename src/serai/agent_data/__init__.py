"""Clients of the Agent Data API: typed JSON records in collections, asynchronous and blocking."""

from serai.agent_data.aio import AsyncAgentDataClient
from serai.agent_data.items import AgentDataT, InvalidAgentData, TypedAgentData, TypedAgentDataItems
from serai.agent_data.llama_cloud import AsyncLlamaCloud, LlamaCloud
from serai.agent_data.sync import AgentDataClient
from serai.wire.records import AgentData, AgentDataPage

__all__ = [
    "AgentData",
    "AgentDataClient",
    "AgentDataPage",
    "AgentDataT",
    "AsyncAgentDataClient",
    "AsyncLlamaCloud",
    "InvalidAgentData",
    "LlamaCloud",
    "TypedAgentData",
    "TypedAgentDataItems",
]
