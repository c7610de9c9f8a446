"""What each argument of the clients' methods means, once for all methods that take it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

_TEXTS = {
    "component_id": "the {kind}; unknown is status 404.",
    "version": "which of its versions, for servers that keep several; the current one by default.",
    "message": "what it is asked; anything but text is sent as JSON.",
    "run_id": "the run; unknown is status 404.",
    "session_id": "the run's session; agno's own server needs it.",
    "user_id": "on whose behalf.",
    "images": "pictures that go with the message; a file named by its path is read and sent.",
    "audio": "recordings, likewise.",
    "videos": "films, likewise.",
    "files": "documents, likewise.",
    "headers": "sent with this request only.",
    "session_state": "merged over the session's stored state.",
    "dependencies": "values for instructions and tools.",
    "metadata": "kept with the run.",
    "knowledge_filters": "what the search for knowledge is limited to.",
    "output_schema": "a JSON schema, or a pydantic class, that the answer must fit.",
    "background": "return at once with the status PENDING; `get_{kind}_run` tells the rest.",
    "stream_events": "of a stream: False for nothing but the pieces of the answer and the run's end.",
    "when_busy": "while the session has another run: `queue` (as by default) waits for its end, `reject` is a 409; "
    "Serai servers only.",
    "run_timeout": "seconds to wait for the run's end after its answer was lost; the client's setting by default.",
    "tools": "the calls that wait, with `confirmed`, `result` or the values set; `tool_call_id` and the answer "
    "are enough for a Serai server.",
    "requirements": "what the run waits for, answered by the methods of each.",
    "status": "only runs of this status, for example `PAUSED`.",
    "after": "the `event_index` of the last event already seen; all events by default.",
    "limit": "the most on one page.",
    "page": "which page; the first one is 1.",
    "page_size": "how many are asked for at a time.",
    "sort_by": "what the list is ordered by.",
    "sort_order": "`asc` or `desc`.",
    "db_id": "which of the server's databases, where it has several.",
    "table": "which of that database's tables; a Serai server has one for each kind of data.",
    "options": "further form fields, passed on to the {kind}.",
}


def document(doc: str, signature: inspect.Signature, *, own: Mapping[str, str]) -> str:
    """Return a docstring with its arguments explained, in the order of the signature.

    Args:
        doc: the docstring without them.
        signature: the parameters.
        own: the texts of arguments that mean something else than elsewhere.
    """
    body, raises, errors = doc.partition("\n\nRaises:")
    texts = {**_TEXTS, **own}
    lines = [f"    {name}: {texts[name]}" for name in signature.parameters]
    return "\n".join([body, "", "Args:", *lines]) + raises + errors
