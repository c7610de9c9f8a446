"""Clients of the Agent Data API: typed JSON records in collections, asynchronous and blocking."""

from serai.agent_data._queries import ComparisonOperator, Filter
from serai.agent_data._walk import AsyncItems, Items
from serai.agent_data.aio import AsyncAgentDataClient
from serai.agent_data.extraction import (
    BoundingBox,
    ExtractedData,
    ExtractedFieldMetadata,
    ExtractedFieldMetaDataDict,
    ExtractedT,
    FieldCitation,
    InvalidExtractionData,
    PageDimensions,
    StatusType,
    calculate_overall_confidence,
    parse_extracted_field_metadata,
)
from serai.agent_data.items import (
    AgentDataT,
    InvalidAgentData,
    InvalidAgentDataError,
    InvalidAggregateGroup,
    OnInvalid,
    PartlyCreatedError,
    TypedAgentData,
    TypedAgentDataItems,
    TypedAggregateGroup,
    TypedAggregateGroupItems,
)
from serai.agent_data.llama_cloud import AsyncLlamaCloud, LlamaCloud
from serai.agent_data.sync import AgentDataClient
from serai.wire.records import (
    AgentData,
    AgentDataCollection,
    AgentDataField,
    AgentDataGroup,
    AgentDataGroupPage,
    AgentDataIndex,
    AgentDataPage,
)

__all__ = [
    "AgentData",
    "AgentDataClient",
    "AgentDataCollection",
    "AgentDataField",
    "AgentDataGroup",
    "AgentDataGroupPage",
    "AgentDataIndex",
    "AgentDataPage",
    "AgentDataT",
    "AsyncAgentDataClient",
    "AsyncItems",
    "AsyncLlamaCloud",
    "BoundingBox",
    "ComparisonOperator",
    "ExtractedData",
    "ExtractedFieldMetaDataDict",
    "ExtractedFieldMetadata",
    "ExtractedT",
    "FieldCitation",
    "Filter",
    "InvalidAgentData",
    "InvalidAgentDataError",
    "InvalidAggregateGroup",
    "InvalidExtractionData",
    "Items",
    "LlamaCloud",
    "OnInvalid",
    "PageDimensions",
    "PartlyCreatedError",
    "StatusType",
    "TypedAgentData",
    "TypedAgentDataItems",
    "TypedAggregateGroup",
    "TypedAggregateGroupItems",
    "calculate_overall_confidence",
    "parse_extracted_field_metadata",
]
