"""What ``LlamaCloud().beta.agent_data`` of llama-cloud 2 must be able to do. Runs in that package's environment."""

from uuid import uuid4

import httpx
from checklist import check, main
from llama_cloud import (
    APIStatusError,
    AsyncLlamaCloud,
    AuthenticationError,
    BadRequestError,
    LlamaCloud,
    NotFoundError,
    UnprocessableEntityError,
)


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def scope():
    """Return the arguments that name a collection of its own."""
    return {"deployment_name": "_public", "collection": f"people-{uuid4()}"}


def cloud(target, **options):
    return AsyncLlamaCloud(**{"base_url": target.base_url, "api_key": "any", **options})


async def expect_error(kind, call):
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but the call succeeded")


async def create_in_order(client, scope, *names):
    return [await client.beta.agent_data.create(data={"name": n, "at": i}, **scope) for i, n in enumerate(names)]


@check
async def create_get_update_delete(target):
    data = cloud(target).beta.agent_data
    created = await data.create(data={"name": "Ada", "age": 36, "nested": {"list": [1, 2.5, None, True]}}, **scope())
    equal(created.data, {"name": "Ada", "age": 36, "nested": {"list": [1, 2.5, None, True]}})
    equal(created.updated_at, created.created_at)
    assert created.id
    assert created.project_id
    equal(await data.get(created.id), created)
    updated = await data.update(created.id, data={"age": 37})
    equal((updated.id, updated.data, updated.created_at), (created.id, {"age": 37}, created.created_at))
    assert updated.updated_at > created.updated_at
    answer = await data.delete(created.id)
    assert isinstance(answer, dict), answer
    assert all(isinstance(value, str) for value in answer.values()), answer
    await expect_error(NotFoundError, data.get(created.id))


@check
async def the_client_without_await_does_the_same(target):
    data = LlamaCloud(base_url=target.base_url, api_key="any").beta.agent_data
    created = data.create(data={"name": "Ada"}, **scope())
    equal(data.get(created.id).data, {"name": "Ada"})
    equal(data.update(created.id, data={"name": "Jane"}).data, {"name": "Jane"})
    data.delete(created.id)


@check
async def a_collection_left_out_is_the_default_one(target):
    created = await cloud(target).beta.agent_data.create(data={}, deployment_name=f"deployment-{uuid4()}")
    equal((created.collection, created.data), ("default", {}))


@check
async def search_gives_the_newest_first(target):
    client, here = cloud(target), scope()
    await create_in_order(client, here, "a", "b", "c")
    page = await client.beta.agent_data.search(**here)
    equal([item.data["name"] for item in page.items], ["c", "b", "a"])
    equal(page.next_page_token, None)


@check
async def search_filters_by_equality(target):
    client, here = cloud(target), scope()
    await create_in_order(client, here, "a", "b", "a")
    page = await client.beta.agent_data.search(filter={"name": {"eq": "a"}}, include_total=True, **here)
    equal(([item.data["at"] for item in page.items], page.total_size), ([2, 0], 2))


@check
async def search_pages_by_offset(target):
    client, here = cloud(target), scope()
    await create_in_order(client, here, "a", "b", "c")
    page = await client.beta.agent_data.search(page_size=2, offset=1, include_total=True, **here)
    equal(([item.data["name"] for item in page.items], page.total_size), (["b", "a"], 3))


@check
async def iterating_a_search_follows_the_page_tokens(target):
    client, here = cloud(target), scope()
    await create_in_order(client, here, *"abcdefg")
    seen = [item.data["name"] async for item in client.beta.agent_data.search(page_size=2, offset=1, **here)]
    equal(seen, list("fedcba"))


@check
async def an_id_of_odd_form_is_404(target):
    data = cloud(target).beta.agent_data
    for item_id in ("no-such-id", "a/b c", "...", "a?b#c", str(uuid4()), "\u00e9"):
        error = await expect_error(NotFoundError, data.get(item_id))
        assert isinstance(error.body["detail"], str), error.body
    await expect_error(NotFoundError, data.update("no-such-id", data={}))
    await expect_error(NotFoundError, data.delete("no-such-id"))


@check
async def data_that_is_no_object_is_422(target):
    error = await expect_error(UnprocessableEntityError, cloud(target).beta.agent_data.create(data=[1], **scope()))
    equal(error.body["detail"][0]["loc"], ["body", "data"])
    assert error.body["detail"][0]["msg"]
    assert error.body["detail"][0]["type"]


@check
async def an_unknown_operator_is_422(target):
    search = cloud(target).beta.agent_data.search(filter={"age": {"near": 3}}, **scope())
    await expect_error(UnprocessableEntityError, search)


@check
async def a_deterministic_refusal_is_sent_once(target):
    attempts = []

    async def count(request):
        attempts.append(request.headers["x-stainless-retry-count"])

    http = httpx.AsyncClient(event_hooks={"request": [count]})
    data = cloud(target, http_client=http).beta.agent_data
    await expect_error(NotFoundError, data.get("no-such-id"))
    await expect_error(UnprocessableEntityError, data.create(data=[1], **scope()))
    equal(attempts, ["0", "0"])
    here = {"project_id": "project-a", "extra_headers": {"Project-Id": "project-b"}}
    await expect_error(BadRequestError, data.get("no-such-id", **here))
    equal(attempts, ["0", "0", "0"])


@check
async def projects_do_not_see_each_other(target):
    data, here = cloud(target).beta.agent_data, scope()
    created = await data.create(data={"name": "Ada"}, project_id="project-a", **here)
    equal(created.project_id, "project-a")
    equal([item.id for item in (await data.search(project_id="project-a", **here)).items], [created.id])
    equal((await data.search(project_id="project-b", **here)).items, [])
    equal((await data.search(**here)).items, [])
    await expect_error(NotFoundError, data.get(created.id, project_id="project-b"))
    await expect_error(NotFoundError, data.delete(created.id))
    by_header = await data.get(created.id, extra_headers={"Project-Id": "project-a"})
    equal(by_header.id, created.id)


@check
async def scopes_that_disagree_are_400(target):
    data = cloud(target).beta.agent_data
    call = data.get("x", project_id="project-a", extra_headers={"Project-Id": "project-b"})
    equal((await expect_error(APIStatusError, call)).status_code, 400)


@check
async def the_api_key_is_the_security_key(target):
    right, wrong = (cloud(target, base_url=target.keyed_url, api_key=key) for key in (target.key, "wrong"))
    created = await right.beta.agent_data.create(data={"name": "Ada"}, **scope())
    equal((await right.beta.agent_data.get(created.id)).data, {"name": "Ada"})
    await expect_error(AuthenticationError, wrong.beta.agent_data.get(created.id))


if __name__ == "__main__":
    main()
