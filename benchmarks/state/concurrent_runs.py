"""Runs at the same time in one session: each keeps a key of its own in the session's state, and uses tokens."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from benchmarks.requests import Request, call
from benchmarks.state.results import Kept
from benchmarks.subjects import Subject

_SESSION = "many-runs-at-a-time"
_FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def keep_keys(subject: Subject, runs: int) -> Kept:
    """Begin so many runs of the agent ``keeper`` at once, and see what the session then holds of them."""

    def keep(number: int) -> int:
        fields = {"message": f"key-{number}", "stream": "false", "session_id": _SESSION, "user_id": "keeper"}
        request = Request("POST", "/agents/keeper/runs", urlencode(fields).encode(), _FORM)
        return int(json.loads(call(subject.server, request).body)["metrics"]["total_tokens"])

    with ThreadPoolExecutor(runs) as pool:
        used = sum(pool.map(keep, range(runs)))
    session = json.loads(call(subject.server, Request("GET", f"/sessions/{_SESSION}?type=agent")).body)
    keys = sum(name.startswith("key-") for name in session["session_state"])
    return Kept(subject.name, runs, keys, int(session["total_tokens"]), used)
