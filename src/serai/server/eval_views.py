"""Evals as the published protocol shows them."""

from __future__ import annotations

from typing import Any

from serai.domain.evals import EvalRecord
from serai.evals.results import sum_up
from serai.evals.spec import MEMBERS_OF, load_spec
from serai.server.components import KINDS
from serai.server.times import utc_text


def show_eval(record: EvalRecord) -> dict[str, Any]:
    """Return an eval as clients see it; while it runs with what it has measured so far."""
    spec = load_spec(record.input)
    given = {"input": spec.input, "num_iterations": record.iterations}
    return {
        "id": str(record.id),
        **{f"{kind}_id": record.component_id if kind == record.kind else None for kind in KINDS},
        "model_id": record.model_id,
        "model_provider": record.model_provider,
        "name": record.name,
        "evaluated_component_name": record.component_name,
        "user_id": record.user_id,
        "eval_type": record.eval_type.value,
        "eval_data": sum_up(record),
        "eval_input": {**given, **{name: getattr(spec, name) for name in MEMBERS_OF[record.eval_type]}},
        "status": record.status.value,
        "progress": {"finished": record.finished, "of": record.iterations},
        "error": record.error,
        "created_at": utc_text(record.created_at),
        "updated_at": utc_text(record.updated_at),
    }
