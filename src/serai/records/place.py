"""Where records live."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What a search sees together: one collection of one deployment in one project."""

    project_id: str
    deployment_name: str
    collection: str
