"""The page "Agent Data (Python)", snippet after snippet, with records for its questions to find.

Run as a script in the environment of llama-cloud-services, as ``BASE_URL PROJECT``, it runs the snippets as they were
published.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

TITLES = ("client overview", "create, get, update, delete", "search", "aggregate")
_FIELDS = ("name", "age", "status", "tags", "department", "role")
_PEOPLE = (
    ("Ada", 36, "active", ["python"], "Sales", "AE"),
    ("Bo", 64, "active", ["go", "ml"], "Sales", "AE"),
    ("Cy", 21, "active", ["go"], "Research", "Lead"),
    ("Di", 65, "active", ["python"], "Research", "Aide"),
    ("Ed", 20, "active", ["ml"], "Research", "Lead"),
    ("Flo", 30, "away", ["python"], "Sales", "AE"),
    ("Bo", 40, "active", ["ml"], "Sales", "Lead"),
)


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def environment(base_url: str, project: str) -> dict[str, str]:
    """Return the variables that the snippets read. Empty ones count as unset."""
    return {
        "LLAMA_CLOUD_BASE_URL": base_url,
        "LLAMA_CLOUD_API_KEY": "any",
        "LLAMA_DEPLOY_PROJECT_ID": project,
        "LLAMA_DEPLOY_DEPLOYMENT_NAME": "",
    }


async def run_document(code_of: Callable[[str, str], str], base_url: str, project: str) -> dict[str, Any]:
    """Run the page's snippets, check what they find, and return the names they bind.

    Args:
        code_of: gives a snippet's code, by document and title.
        base_url: the server that `environment` names too.
        project: may be empty: the default one.
    """
    names: dict[str, Any] = {}
    await _run(code_of, "client overview", names)
    await names["client"].delete(filter={})
    await _run(code_of, "create, get, update, delete", names)
    check_records(names)
    await create_people(base_url, project)
    await _run(code_of, "search", names)
    check_search(names["results"])
    await _run(code_of, "aggregate", names)
    check_aggregate(names["agg"])
    return names


async def _run(code_of, title, names):
    # Found as a neighbour when this runs as a script, in the package otherwise.
    if __name__ == "__main__":
        from documented_code import run_snippet
    else:
        from tests.compat.documented_code import run_snippet
    await run_snippet(code_of("agent_data", title), names)


async def create_people(base_url, project):
    headers = {"Project-Id": project} if project else {}
    async with httpx.AsyncClient(base_url=base_url, headers=headers) as http:
        for person in _PEOPLE:
            data = {**dict(zip(_FIELDS, person, strict=True)), "email": f"{person[0]}@example.com"}
            place = {"deployment_name": "_public", "collection": "extracted_people"}
            (await http.post("/api/v1/beta/agent-data", json={**place, "data": data})).raise_for_status()


def check_records(names):
    person = names["ExtractedPerson"]
    created, updated = names["created"], names["updated"]
    equal((created.deployment_name, created.collection, created.data), ("_public", "extracted_people", names["person"]))
    equal(names["fetched"], created)
    equal((updated.id, updated.data), (created.id, person(name="Jane", age=31, email="jane@example.com")))
    assert updated.updated_at > created.updated_at


def check_search(results):
    equal([(item.data.name, item.data.age) for item in results.items], [("Bo", 64), ("Bo", 40), ("Ada", 36)])
    equal((results.has_more, results.total), (False, 3))


def check_aggregate(agg):
    groups = [(group.group_key["department"], group.group_key["role"], group.count) for group in agg.items]
    equal(groups, [("Research", "Aide", 1), ("Research", "Lead", 2), ("Sales", "AE", 2), ("Sales", "Lead", 1)])
    equal([group.first_item.name for group in agg.items], ["Di", "Cy", "Ada", "Bo"])
    equal(agg.has_more, False)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from documented_code import published_snippet

    os.environ.update(environment(*sys.argv[1:]))
    asyncio.run(run_document(published_snippet, *sys.argv[1:]))
    print("all snippets have run")
