"""The run object of a team's run: what its leader has, and what its members answered and used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serai.components.agent_answer import AgentAnswer, Names
from serai.components.child_runs import ChildRuns
from serai.components.paused_runs import with_paused_ended
from serai.components.run_input import RunInput
from serai.components.segments import Earlier
from serai.domain.run_state import RunStatus
from serai.domain.runs import RunRecord
from serai.domain.usage import Usage, cost_member, sum_cost, sum_tokens, sum_usage


class TeamAnswer(AgentAnswer):
    """What a team's run has so far.

    Args:
        record, given, names, earlier, about: as of an `AgentAnswer`.
        children: the members' runs.

    Attributes:
        responses: the members' run objects by run id, in the order in which they were first asked; empty ones of
            those at work.
    """

    def __init__(
        self,
        record: RunRecord,
        given: RunInput,
        names: Names,
        earlier: Earlier,
        *,
        about: Mapping[str, Any],
        children: ChildRuns,
    ) -> None:
        super().__init__(record, given, names, earlier, about=about)
        self.responses = {response["run_id"]: response for response in earlier.responses}
        self._children = children
        waiting = {delegation.call_id for delegation in earlier.carried.delegations}
        self._pending |= {tool["tool_call_id"]: tool for tool in earlier.tools if tool["tool_call_id"] in waiting}

    def shown_responses(self) -> list[dict[str, Any]]:
        """Return the run objects of the members that have answered, failed or paused."""
        return [response for response in self.responses.values() if response]

    def end_paused(self, status: RunStatus) -> None:
        """Show the members that wait for a person as ended with their team."""
        self.responses = {run_id: with_paused_ended(response, status) for run_id, response in self.responses.items()}

    def metrics(self) -> dict[str, Any]:
        """Return tokens, dollars and seconds of the leader and its members together; ``details`` by model."""
        metrics = super().metrics()
        of_members = [response.get("metrics") or {} for response in self.responses.values()]
        tokens = sum_tokens((metrics, *of_members))
        details = [item for each in (metrics, *of_members) for item in each.get("details", {}).get("model", ())]
        cost = cost_member(sum_cost((metrics, *of_members)))
        return {**metrics, **tokens, **cost, "details": {"model": sum_usage(details)}}

    def members(self, *, content: Any, content_type: str) -> dict[str, Any]:
        """Return the run object's members; its media may be in the members' run objects."""
        return self._with_inner_blobs(super().members(content=content, content_type=content_type))

    def made(self) -> dict[str, Any]:
        """Return the media that the leader made, and the blobs of all, as an event lists them."""
        return self._with_inner_blobs(super().made())

    def new_usage(self) -> Usage:
        """Return the tokens of this segment, the members' among them."""
        return sum_usage([*super().new_usage(), *self._children.usage])

    def _with_inner_blobs(self, document: dict[str, Any]) -> dict[str, Any]:
        inner = [sha256 for response in self.responses.values() for sha256 in response.get("blobs", ())]
        return {"blobs": [*document.pop("blobs", ()), *inner], **document} if inner else document
