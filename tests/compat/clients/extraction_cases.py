"""What a module of extracted data makes of one case, as JSON, so that two modules can be compared.

Uses the standard library and pydantic alone. Run as a script in a published client's environment it prints the outcomes
of the cases in a file, by the module whose name is given: ``MODULE CASES.json``.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def outcome_of(module: Any, case: dict[str, Any]) -> dict[str, Any]:
    """Return what the module answers to each of its calls, for one case."""
    calls = {
        "parsed": lambda: shape(module, parsed(module, case)),
        "parsed_twice": lambda: shape(module, module.parse_extracted_field_metadata(parsed(module, case))),
        "confidence": lambda: module.calculate_overall_confidence(parsed(module, case)),
        "confidence_of_plain_tree": lambda: module.calculate_overall_confidence(case["field_metadata"]),
        "created": lambda: created(module, case).model_dump(mode="json"),
        "written": lambda: json.loads(created(module, case).model_dump_json()),
        "read_again": lambda: described(module, read_again(module, case)),
        "given_confidence": lambda: described(module, with_given_confidence(module, case)),
        "typed": lambda: typed(module, case),
        "extracted": lambda: extracted(module, case),
        "does_not_fit": lambda: described(module, module.ExtractedData[Person].model_validate({"data": {}})),
    }
    return {name: attempt(call) for name, call in calls.items()}


def attempt(call):
    try:
        return tidy(call())
    except ValueError:
        return "ValueError"


def tidy(value):
    """Return the value with its fractions rounded: means are added up in different orders."""
    if isinstance(value, float):
        return round(value, 12)
    if isinstance(value, dict):
        return {name: tidy(child) for name, child in value.items()}
    return [tidy(child) for child in value] if isinstance(value, list) else value


def parsed(module, case):
    return module.parse_extracted_field_metadata(case["field_metadata"])


def shape(module, node):
    """Return a parsed tree with its leaves marked."""
    if isinstance(node, module.ExtractedFieldMetadata):
        return {"leaf": node.model_dump(mode="json")}
    if isinstance(node, dict):
        return {name: shape(module, child) for name, child in node.items()}
    return [shape(module, child) for child in node] if isinstance(node, list) else node


def described(module, item):
    return {**item.model_dump(mode="json"), "field_metadata": shape(module, item.field_metadata)}


def created(module, case):
    return module.ExtractedData[dict].create(
        data=case["data"], field_metadata=case["field_metadata"], **case["options"]
    )


def read_again(module, case):
    return module.ExtractedData[dict].model_validate_json(created(module, case).model_dump_json())


def with_given_confidence(module, case):
    """Return an item as other writers store it: its confidence is not the fields' mean."""
    stored = {"original_data": {"a": 1}, "data": case["data"], "status": "mine", "overall_confidence": 0.25}
    return module.ExtractedData[dict].model_validate({**stored, "field_metadata": case["field_metadata"]})


def typed(module, case):
    """Return a typed item after an edit, a write and a read."""
    item = module.ExtractedData[Person].create(data=Person(name="Ada", age=36), field_metadata=case["field_metadata"])
    item.data = Person(name="Ada", age=37)
    item.status = "accepted"
    again = module.ExtractedData[Person].model_validate_json(item.model_dump_json())
    return [type(again.data).__name__, again.original_data.age, described(module, again)]


def extracted(module, case):
    """Return what is made of an extraction: of llama-cloud-services where the module has it, else of llama-cloud."""
    kind, fields = module.ExtractedData[Person], case["field_metadata"]
    try:
        if hasattr(kind, "from_extraction_result") and not case["as_job"]:
            item = kind.from_extraction_result(run_of(case["extracted"], fields), Person, **case["options"])
        elif hasattr(kind, "from_extract_job"):
            item = kind.from_extract_job(job_of(case["extracted"], fields), Person, **case["options"])
        else:
            return "no such call"
    except module.InvalidExtractionData as error:
        found = described(module, error.invalid_item)
        # The text is pydantic's; only Serai keeps the fields' error beside it.
        assert found["metadata"].pop("extraction_error")
        found["metadata"].pop("field_errors", None)
        return {"invalid_item": found, "error": getattr(error, "extraction_error", None), "says": str(error)}
    return described(module, item)


def run_of(data, fields):
    file = SimpleNamespace(id="file-1", name="a.pdf")
    return SimpleNamespace(
        data=data, extraction_metadata={"field_metadata": fields}, job_id="job-1", error="broken", file=file
    )


def job_of(data, fields):
    metadata = SimpleNamespace(field_metadata=SimpleNamespace(document_metadata=fields))
    return SimpleNamespace(
        id="job-1", extract_result=data, extract_metadata=metadata, file_input="file-1", error_message=None
    )


if __name__ == "__main__":
    module = import_module(sys.argv[1])
    cases = json.loads(Path(sys.argv[2]).read_text())
    print(json.dumps([outcome_of(module, case) for case in cases]))
