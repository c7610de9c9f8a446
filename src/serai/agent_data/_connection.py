"""One server of the Agent Data API: what every request to it has in common, and how often it is sent."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from serai.wire.arguments import check_headers
from serai.wire.base_url import checked_base_url
from serai.wire.exchange import Answer, Flow, Request, Sleep, attempts, exchange
from serai.wire.records import BASE_PATH
from serai.wire.retry import RetryPolicy
from serai.wire.streaming import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of the API.

    Attributes:
        method: the HTTP method.
        path: what follows the API's base path.
        project_id: the project; None leaves the choice to the server.
        query: parameters beside the project.
        body: JSON.
        is_write: whether it changes something; it then carries an ``Idempotency-Key``.
        if_match: the ``ETag`` that the record must have.
    """

    method: str
    path: str = ""
    project_id: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    is_write: bool = False
    if_match: str | None = None


class Connection:
    """Where a server is, who asks, and how patiently."""

    def __init__(self, base_url: str, token: str | None, policy: RetryPolicy) -> None:
        self.base_url = checked_base_url(base_url)
        self.policy = policy
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        check_headers(self._headers)

    def ask(self, ask: Ask) -> Flow[bytes]:
        """Return the flow that gives an answer's body.

        Raises:
            ServerStatusError: the status is 400 or more.
        """
        answer, _ = yield from exchange(self._request(ask), policy=self.policy, repeatable=True)
        return _body(answer)

    def remove(self, ask: Ask) -> Flow[None]:
        """Return the flow of a removal; what an earlier attempt may have removed needs not be there any more.

        Raises:
            ServerStatusError: the status is 400 or more.
        """
        answer, uncertain = yield from exchange(self._request(ask), policy=self.policy, repeatable=True)
        if not (answer.status_code == 404 and uncertain):
            _body(answer)

    def open(self, ask: Ask) -> Generator[Open | Sleep, Any, None]:
        """Return the flow that opens an answer to be read piece by piece.

        Raises:
            ServerStatusError: the status is 400 or more.
        """
        answer, _ = yield from attempts(Open(self._request(ask)), policy=self.policy, repeatable=True)
        if answer.status_code >= 400:
            _body(answer)

    def _request(self, ask: Ask) -> Request:
        headers, query = dict(self._headers), dict(ask.query)
        if ask.project_id is not None:
            # The header too, so that it overrides one of the caller's httpx client: a contradiction is an error.
            headers["project-id"] = query["project_id"] = ask.project_id
        if ask.is_write:
            headers["idempotency-key"] = str(uuid4())
        if ask.if_match is not None:
            headers["if-match"] = ask.if_match
        if ask.body is not None:
            headers["content-type"] = "application/json"
        url = f"{self.base_url}{BASE_PATH}{ask.path}"
        return Request(ask.method, f"{url}?{urlencode(query)}" if query else url, headers, ask.body)


def _body(answer: Answer) -> bytes:
    from serai.wire.failures import raise_for_error  # noqa: PLC0415 - loads httpx

    raise_for_error(answer)  # type: ignore[arg-type] # all our answers are httpx's
    return answer.content
