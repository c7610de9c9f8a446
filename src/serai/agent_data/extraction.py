"""Data that was extracted from documents and is reviewed by people: what it was, what it is now, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    computed_field,
    field_validator,
    model_validator,
)

from serai.agent_data.field_metadata import (
    BoundingBox,
    ExtractedFieldMetadata,
    ExtractedFieldMetaDataDict,
    FieldCitation,
    PageDimensions,
    calculate_overall_confidence,
    parse_extracted_field_metadata,
)
from serai.errors import SeraiError

__all__ = [
    "BoundingBox",
    "ExtractedData",
    "ExtractedFieldMetaDataDict",
    "ExtractedFieldMetadata",
    "ExtractedT",
    "FieldCitation",
    "InvalidExtractionData",
    "PageDimensions",
    "StatusType",
    "calculate_overall_confidence",
    "parse_extracted_field_metadata",
]

ExtractedT = TypeVar("ExtractedT", bound=dict[str, Any] | BaseModel)
SchemaT = TypeVar("SchemaT", bound=BaseModel)

StatusType = Literal["error", "accepted", "rejected", "pending_review"] | str
"""Where a review stands; any other text is a status of the caller's."""

UNFIT = "Not able to parse the extracted data, parsed invalid format"


class ExtractionResult(Protocol):
    """What an extraction has brought: the ``ExtractRun`` of llama-cloud-services has these members."""

    data: Any
    extraction_metadata: Any
    job_id: Any
    error: Any
    file: Any


class ExtractJob(Protocol):
    """What an extraction has brought: the ``ExtractV2Job`` of llama-cloud has these members."""

    id: Any
    extract_result: Any
    extract_metadata: Any
    error_message: Any


class ExtractedData(BaseModel, Generic[ExtractedT]):
    """Extracted data under review.

    Attributes:
        original_data: the data as it was extracted; never the same object as ``data``.
        data: the data as it is now.
        status: where the review stands.
        overall_confidence: the mean of the fields' confidences, as ``field_metadata`` has them now. A value that was
            given or set holds until the fields' confidences change.
        field_metadata: what is known about each field.
        file_id: the document's id.
        file_name: the document's name.
        file_hash: a hash of the document, to find doubles by.
        metadata: whatever else belongs to it.
    """

    model_config = ConfigDict(defer_build=True, validate_by_name=True, validate_by_alias=True)

    original_data: ExtractedT
    data: ExtractedT
    status: StatusType
    given_confidence: float | None = Field(
        default=None, alias="overall_confidence", ge=0, le=1, exclude=True, repr=False
    )
    field_metadata: ExtractedFieldMetaDataDict = Field(default_factory=dict)
    file_id: str | None = None
    file_name: str | None = None
    file_hash: str | None = None
    metadata: dict[str, Any] | None = Field(default_factory=dict)

    _mean_when_given: float | None = PrivateAttr(default=None)

    @computed_field  # type: ignore[prop-decorator] # pydantic's documented order
    @property
    def overall_confidence(self) -> float | None:
        """The mean of the fields' confidences, or what was given since they last changed."""
        mean = calculate_overall_confidence(self.field_metadata)
        return self.given_confidence if mean == self._mean_when_given else mean

    @overall_confidence.setter
    def overall_confidence(self, confidence: float | None) -> None:
        if confidence is not None and not 0 <= confidence <= 1:
            raise ValueError(f"overall_confidence must be from 0 to 1, not {confidence}")
        self.given_confidence = confidence
        self._mean_when_given = calculate_overall_confidence(self.field_metadata)

    @model_validator(mode="before")
    @classmethod
    def _part_original_from_data(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "data" in values and values["data"] is values.get("original_data"):
            return {**values, "original_data": deepcopy(values["data"])}
        return values

    @field_validator("field_metadata", mode="before")
    @classmethod
    def _parse_field_metadata(cls, value: Any) -> Any:
        return parse_extracted_field_metadata(value) if isinstance(value, dict) else value

    def model_post_init(self, _context: Any, /) -> None:
        """Remember which confidences the given one belongs to."""
        self._mean_when_given = calculate_overall_confidence(self.field_metadata)

    @classmethod
    def create(
        cls,
        data: ExtractedT,
        status: StatusType = "pending_review",
        field_metadata: Mapping[str, Any] | None = None,
        file_id: str | None = None,
        file_name: str | None = None,
        file_hash: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Self:
        """Return new data to review: ``original_data`` is a copy of ``data``, the confidence that of the fields.

        Raises:
            ValidationError: the field metadata is not what it should be.
        """
        parsed = parse_extracted_field_metadata(dict(field_metadata or {}))
        return cls(
            original_data=deepcopy(data),
            data=data,
            status=status,
            overall_confidence=calculate_overall_confidence(parsed),
            field_metadata=parsed,
            file_id=file_id,
            file_name=file_name,
            file_hash=file_hash,
            metadata=metadata or {},
        )

    @classmethod
    def from_extraction_result(
        cls,
        result: ExtractionResult,
        schema: type[SchemaT],
        file_hash: str | None = None,
        file_name: str | None = None,
        file_id: str | None = None,
        status: StatusType = "pending_review",
        metadata: dict[str, Any] | None = None,
    ) -> ExtractedData[SchemaT]:
        """Return what a run of an extraction agent has brought, as an object of the schema.

        ``metadata`` gets the job's id as ``job_id`` and the fields' error, if there is one, as ``field_errors``; what
        the caller gives comes over them. The document is the run's unless the caller names one.

        Raises:
            InvalidExtractionData: the data or its metadata are not what they should be.
        """
        return _read_extraction(
            result.data,
            schema,
            _member(result.extraction_metadata, "field_metadata"),
            job={"job_id": result.job_id},
            error=result.error,
            metadata=metadata,
            status=status,
            file_id=file_id or _member(result.file, "id"),
            file_name=file_name or _member(result.file, "name"),
            file_hash=file_hash,
        )

    @classmethod
    def from_extract_job(
        cls,
        job: ExtractJob,
        schema: type[SchemaT],
        file_hash: str | None = None,
        file_name: str | None = None,
        file_id: str | None = None,
        status: StatusType = "pending_review",
        metadata: dict[str, Any] | None = None,
    ) -> ExtractedData[SchemaT]:
        """Return what an extraction job has brought, as an object of the schema; else as `from_extraction_result`."""
        fields = _member(job.extract_metadata, "field_metadata")
        return _read_extraction(
            job.extract_result,
            schema,
            _member(fields, "document_metadata"),
            job={"job_id": job.id},
            error=job.error_message,
            metadata=metadata,
            status=status,
            file_id=file_id or _member(job, "file_input") or _member(job, "document_input_value"),
            file_name=file_name,
            file_hash=file_hash,
        )


class InvalidExtractionData(SeraiError, ValueError):  # noqa: N818 - the published name
    """Extracted data does not fit its schema.

    Attributes:
        invalid_item: the data as it came, with the status ``error``; ``metadata`` says why, as ``extraction_error``
            and, when the extraction itself has failed, ``job_error``.
        extraction_error: what the extraction itself says has gone wrong.
    """

    def __init__(self, invalid_item: ExtractedData[dict[str, Any]], extraction_error: str | None = None) -> None:
        super().__init__(UNFIT if extraction_error is None else f"Extraction error: {extraction_error}")
        self.invalid_item = invalid_item
        self.extraction_error = extraction_error


def _read_extraction(
    data: Any,
    schema: type[SchemaT],
    fields: Any,
    *,
    job: dict[str, Any],
    error: str | None,
    metadata: dict[str, Any] | None,
    **rest: Any,
) -> ExtractedData[SchemaT]:
    plain = dict(fields) if isinstance(fields, Mapping) else {}
    said_of_fields = plain.get("error")
    errors = {"field_errors": said_of_fields} if said_of_fields and isinstance(said_of_fields, str) else {}
    try:
        typed = schema.model_validate(data)
        made: ExtractedData[SchemaT] = ExtractedData.create(
            typed, field_metadata=plain, metadata=job | errors | (metadata or {}), **rest
        )
    except ValueError as unfit:
        said = {"extraction_error": str(unfit)} | ({"job_error": error} if error else {})
        item = ExtractedData[dict[str, Any]].create(
            data if isinstance(data, dict) else {},
            field_metadata=_fitting(plain),
            metadata=errors | said | (metadata or {}),
            **(rest | {"status": "error"}),
        )
        raise InvalidExtractionData(item, error or None) from unfit
    return made


def _fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of those fields whose is what it should be."""
    fit: dict[str, Any] = {}
    for name, node in fields.items():
        try:
            fit |= parse_extracted_field_metadata({name: node})
        except ValueError:
            continue
    return fit


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
