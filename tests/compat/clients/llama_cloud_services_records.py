"""What ``AsyncAgentDataClient`` of llama-cloud-services must be able to do. Runs in that package's environment."""

import os
import warnings
from uuid import uuid4

warnings.filterwarnings("ignore")

import httpx  # noqa: E402
from checklist import check, main  # noqa: E402
from llama_cloud.client import AsyncLlamaCloud  # noqa: E402
from llama_cloud.core.api_error import ApiError  # noqa: E402
from llama_cloud.errors import UnprocessableEntityError  # noqa: E402
from llama_cloud_services.beta.agent_data import AsyncAgentDataClient  # noqa: E402
from pydantic import BaseModel  # noqa: E402

ODD_TEXT = 'a\u0085b\u2028c\u2029d \U0001f600 \u00e9 "quoted" \\ \t tab\nline'


class Person(BaseModel):
    name: str
    age: int
    email: str = "nobody@example.com"
    tags: list[str] = []


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def records(target, *, collection=None, project=None, token=None, base_url=None, **options):
    """Return a client of a collection of its own."""
    http = httpx.AsyncClient(headers={"Project-Id": project} if project else None)
    cloud = AsyncLlamaCloud(base_url=base_url or target.base_url, token=token, httpx_client=http)
    return AsyncAgentDataClient(type=Person, collection=collection or f"people-{uuid4()}", client=cloud, **options)


async def expect_status(status, call):
    try:
        await call
    except ApiError as error:
        equal(error.status_code, status)
        return error
    raise AssertionError(f"expected HTTP {status}, but the call succeeded")


async def create_in_order(client, *names):
    return [await client.create_item(Person(name=name, age=age)) for age, name in enumerate(names, start=30)]


@check
async def create_item_returns_the_record(target):
    client = records(target)
    created = await client.create_item(Person(name="Ada", age=36, tags=["math"]))
    equal(created.data, Person(name="Ada", age=36, tags=["math"]))
    equal((created.deployment_name, created.collection), ("_public", client.collection))
    assert created.id
    assert created.created_at.tzinfo is not None
    equal(created.updated_at, created.created_at)


@check
async def get_item_returns_what_was_created(target):
    client = records(target)
    created = await client.create_item(Person(name="Ada", age=36))
    equal(await client.get_item(created.id), created)


@check
async def update_item_replaces_the_data(target):
    client = records(target)
    created = await client.create_item(Person(name="Ada", age=36, tags=["math"]))
    updated = await client.update_item(created.id, Person(name="Jane", age=31))
    equal((updated.id, updated.data, updated.created_at), (created.id, Person(name="Jane", age=31), created.created_at))
    assert updated.updated_at > created.updated_at
    equal((await client.get_item(created.id)).data, Person(name="Jane", age=31))


@check
async def delete_item_removes_the_record(target):
    client = records(target)
    created = await client.create_item(Person(name="Ada", age=36))
    equal(await client.delete_item(created.id), None)
    await expect_status(404, client.get_item(created.id))
    await expect_status(404, client.delete_item(created.id))


@check
async def an_unknown_id_is_404(target):
    client = records(target)
    error = await expect_status(404, client.get_item("no-such-id"))
    assert isinstance(error.body["detail"], str), error.body
    await expect_status(404, client.update_item(str(uuid4()), Person(name="Ada", age=36)))


@check
async def odd_characters_and_big_numbers_come_back_equal(target):
    client = records(target)
    created = await client.create_item(Person(name=ODD_TEXT, age=2**63 - 1))
    equal((await client.get_item(created.id)).data, Person(name=ODD_TEXT, age=2**63 - 1))


@check
async def search_gives_the_newest_first(target):
    client = records(target)
    await create_in_order(client, "a", "b", "c")
    found = await client.search()
    equal([item.data.name for item in found.items], ["c", "b", "a"])
    equal((found.has_more, found.total), (False, None))


@check
async def search_of_an_empty_collection_is_empty(target):
    found = await records(target).search(include_total=True)
    equal((found.items, found.total, found.has_more), ([], 0, False))


@check
async def search_filters_by_equality(target):
    client = records(target)
    await create_in_order(client, "a", "b", "a")
    equal([item.data.age for item in (await client.search(filter={"name": {"eq": "a"}})).items], [32, 30])
    equal([item.data.name for item in (await client.search(filter={"age": {"eq": 31}})).items], ["b"])
    equal([item.data.name for item in (await client.search(filter={"data.age": {"eq": 31}})).items], ["b"])
    equal((await client.search(filter={"name": {"eq": "a"}, "age": {"eq": 31}})).items, [])
    equal((await client.search(filter={"age": {"eq": "31"}})).items, [])
    equal(len((await client.search(filter={"absent": {"eq": None}})).items), 3)


@check
async def search_pages_by_offset(target):
    client = records(target)
    await create_in_order(client, "a", "b", "c")
    first = await client.search(page_size=2, offset=0, include_total=True)
    equal(([item.data.name for item in first.items], first.has_more, first.total), (["c", "b"], True, 3))
    rest = await client.search(page_size=2, offset=2)
    equal(([item.data.name for item in rest.items], rest.has_more, rest.total), (["a"], False, None))


@check
async def a_filter_that_is_none_is_422(target):
    error = await expect_status(422, records(target).search(filter={"age": 3}))
    assert isinstance(error, UnprocessableEntityError), error
    assert error.body.detail[0].msg
    assert error.body.detail[0].loc


@check
async def a_negative_page_size_is_422(target):
    error = await expect_status(422, records(target).search(page_size=-1))
    assert isinstance(error, UnprocessableEntityError), error


@check
async def collections_do_not_see_each_other(target):
    here, there = records(target), records(target)
    await here.create_item(Person(name="Ada", age=36))
    equal((await there.search()).items, [])


@check
async def deployments_do_not_see_each_other(target):
    here = records(target, deployment_name="crm")
    there = records(target, deployment_name="erp", collection=here.collection)
    created = await here.create_item(Person(name="Ada", age=36))
    equal(created.deployment_name, "crm")
    equal((await there.search()).items, [])


@check
async def the_deployment_name_comes_from_the_environment(target):
    os.environ["LLAMA_DEPLOY_DEPLOYMENT_NAME"] = "from-environment"
    try:
        created = await records(target).create_item(Person(name="Ada", age=36))
    finally:
        del os.environ["LLAMA_DEPLOY_DEPLOYMENT_NAME"]
    equal(created.deployment_name, "from-environment")


@check
async def projects_do_not_see_each_other(target):
    here = records(target, project="project-a")
    there = records(target, project="project-b", collection=here.collection)
    unscoped = records(target, collection=here.collection)
    created = await here.create_item(Person(name="Ada", age=36))
    equal([item.id for item in (await here.search()).items], [created.id])
    for other in (there, unscoped):
        equal((await other.search()).items, [])
        await expect_status(404, other.get_item(created.id))
        await expect_status(404, other.update_item(created.id, Person(name="Eve", age=1)))
        await expect_status(404, other.delete_item(created.id))
    equal((await here.get_item(created.id)).data.name, "Ada")


@check
async def a_token_is_taken_as_the_security_key(target):
    client = records(target, base_url=target.keyed_url, token=target.key)
    created = await client.create_item(Person(name="Ada", age=36))
    equal((await client.get_item(created.id)).data.name, "Ada")
    await expect_status(401, records(target, base_url=target.keyed_url, token="wrong").get_item(created.id))


@check
async def a_token_is_ignored_without_a_security_key(target):
    client = records(target, token="any")
    assert (await client.create_item(Person(name="Ada", age=36))).id


if __name__ == "__main__":
    main()
