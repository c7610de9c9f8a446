"""What the published ``AgentOSClient`` of agno must be able to do with knowledge: every method it has for it.

Runs in the locked environments of agno 3 and agno 2. Each check has a word of its own, which no other text has.
"""

import asyncio
import time
from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno.media import File
from agno_calls import equal, expect_status
from checklist import check, check_generation, main

SOON_S = 2


def word():
    return f"w{uuid4().hex[:12]}"


def status_of(content):
    return getattr(content.status, "value", content.status)


async def taken_in(client, content, **options):
    """Wait until a content is processed no more; return its status."""
    while True:
        status = await client.get_knowledge_content_status(content.id, **options)
        if status_of(status) != "processing":
            return status
        await asyncio.sleep(0.05)


async def known(target, text, **fields):
    """Have a text taken in; return the client and the content."""
    client = AgentOSClient(target.base_url)
    content = await client.upload_knowledge_content(text_content=text, **{"name": word(), **fields})
    equal(status_of(await taken_in(client, content)), "completed")
    return client, content


async def found(client, query, **options):
    return [result.content for result in (await client.search_knowledge(query, **options)).data]


@check
async def a_text_is_taken_in_and_can_be_read_at_once(target):
    client, name = AgentOSClient(target.base_url), word()
    made = await client.upload_knowledge_content(
        name=name, description="pets", metadata={"tag": "pets"}, text_content=f"Cats sleep {name}.", reader_id="text"
    )
    equal((made.name, made.description, made.metadata["tag"]), (name, "pets", "pets"))
    equal(status_of(await taken_in(client, made)), "completed")
    read = await client.get_knowledge_content(made.id)
    equal((read.id, read.name, status_of(read), read.metadata["tag"]), (made.id, name, "completed", "pets"))
    assert read.created_at.tzinfo is not None
    assert read.updated_at.tzinfo is not None


@check
async def the_row_is_there_right_after_the_upload(target):
    client = AgentOSClient(target.base_url)
    made = await client.upload_knowledge_content(name=word(), text_content="Soon.")
    equal((await client.get_knowledge_content(made.id)).id, made.id)


@check
async def the_size_of_a_content_is_read_by_its_id(target):
    client, made = await known(target, "Twelve bytes")
    equal((await client.get_knowledge_content(made.id)).size, "12")


@check
async def a_file_in_memory_is_taken_in_by_its_type(target):
    client, one = AgentOSClient(target.base_url), word()
    file = File(content=f"Cats sleep {one}.".encode(), filename=f"{one}.txt", mime_type="text/plain")
    made = await client.upload_knowledge_content(file=file, chunk_size=400)
    equal(made.name, f"{one}.txt")
    equal(status_of(await taken_in(client, made)), "completed")
    equal((await client.get_knowledge_content(made.id)).type, "text/plain")
    assert any(one in text for text in await found(client, one))


@check_generation(3)
async def an_upload_of_nothing_is_400(target):
    answer = await expect_status(400, AgentOSClient(target.base_url).upload_knowledge_content(name="Nothing"))
    assert answer["detail"].startswith("Provide a file"), answer


@check_generation(3)
async def a_file_that_has_only_a_path_is_not_sent_and_nothing_comes_of_it(target):
    await expect_status(400, AgentOSClient(target.base_url).upload_knowledge_content(file=File(filepath=__file__)))


@check
async def a_url_that_cannot_be_fetched_fails_and_says_why(target):
    client = AgentOSClient(target.base_url)
    made = await client.upload_knowledge_content(url=f"http://127.0.0.1:9/{word()}.txt")
    status = await taken_in(client, made)
    equal(status_of(status), "failed")
    assert status.status_message


@check_generation(3)
async def a_list_of_urls_is_400(target):
    client = AgentOSClient(target.base_url)
    await expect_status(400, client.upload_knowledge_content(url='["https://a.example", "https://b.example"]'))


@check
async def the_same_text_again_is_the_same_content(target):
    one = word()
    client, made = await known(target, f"Tea {one}.", name=one)
    again = await client.upload_knowledge_content(name=one, text_content=f"Tea {one}.")
    equal(again.id, made.id)


@check
async def another_text_of_the_same_name_is_another_content(target):
    one = word()
    client, made = await known(target, f"Tea is at four {one}.", name=one)
    other = await client.upload_knowledge_content(name=one, text_content=f"Tea is at five {one}.")
    assert other.id != made.id
    equal(status_of(await taken_in(client, other)), "completed")
    equal(len(await found(client, one)), 2)


@check
async def contents_are_listed_in_pages(target):
    client, first = await known(target, "One.")
    _, second = await known(target, "Two.")
    pages = [await client.list_knowledge_content(limit=1, page=number) for number in (1, 2)]
    equal([len(page.data) for page in pages], [1, 1])
    assert pages[0].data[0].id != pages[1].data[0].id
    equal((pages[1].meta.page, pages[1].meta.limit), (2, 1))
    assert pages[1].meta.total_count == pages[1].meta.total_pages >= 2
    everything = await client.list_knowledge_content(limit=1000)
    assert {first.id, second.id} <= {content.id for content in everything.data}


@check
async def contents_are_sorted_as_asked(target):
    client, _ = await known(target, "One.")
    await known(target, "Two.")
    listed = [c.name for c in (await client.list_knowledge_content(limit=1000, sort_by="name", sort_order="asc")).data]
    equal(listed, sorted(listed))
    await expect_status(422, client.list_knowledge_content(sort_order="up"))


@check
async def a_page_past_the_end_of_contents_is_empty(target):
    client, _ = await known(target, "One.")
    beyond = await client.list_knowledge_content(page=10_000)
    equal(beyond.data, [])
    assert beyond.meta.total_count >= 1


@check_generation(3)
async def an_unknown_content_is_404_everywhere(target):
    client, unknown = AgentOSClient(target.base_url), str(uuid4())
    for call in (
        client.get_knowledge_content(unknown),
        client.get_knowledge_content_status(unknown),
        client.update_knowledge_content(unknown, name="x"),
        client.delete_knowledge_content(unknown),
    ):
        answer = await expect_status(404, call)
        equal(answer["detail"], f"Content not found: {unknown}")


@check
async def a_content_is_renamed_and_described(target):
    client, made = await known(target, "One.", metadata={"kept": 1})
    changed = await client.update_knowledge_content(made.id, name="Renamed", description="Why")
    equal((changed.id, changed.name, changed.description), (made.id, "Renamed", "Why"))
    read = await client.get_knowledge_content(made.id)
    equal((read.name, read.description, read.metadata["kept"]), ("Renamed", "Why", 1))


@check
async def a_changed_content_was_changed_at_a_time_in_utc(target):
    client, made = await known(target, "One.")
    changed = await client.update_knowledge_content(made.id, name="Renamed")
    assert changed.updated_at >= (await client.get_knowledge_content(made.id)).created_at


@check
async def new_metadata_is_effective_in_filters(target):
    one = word()
    client, made = await known(target, f"Cats {one}.", metadata={"tag": f"old{one}"})
    equal(await found(client, one, filters={"tag": f"old{one}"}), [f"Cats {one}."])
    await client.update_knowledge_content(made.id, metadata={"tag": f"new{one}"})
    equal(await found(client, one, filters={"tag": f"old{one}"}), [])
    equal(await found(client, one, filters={"tag": f"new{one}"}), [f"Cats {one}."])


@check
async def an_unknown_reader_of_a_change_is_400(target):
    client, made = await known(target, "One.")
    await expect_status(400, client.update_knowledge_content(made.id, reader_id="zzz"))


@check
async def what_is_found_says_where_it_comes_from(target):
    one = word()
    client, made = await known(target, f"Cats sleep {one}.", metadata={"tag": "pets"})
    page = await client.search_knowledge(one, filters={"tag": "pets"})
    (result,) = [result for result in page.data if one in result.content]
    equal((result.content, result.name, result.content_id), (f"Cats sleep {one}.", made.name, made.id))
    equal(result.meta_data["tag"], "pets")
    assert isinstance(result.id, str)
    assert result.reranking_score is None or 0 <= result.reranking_score <= 1
    assert page.meta.total_count == len(page.data)


@check
async def what_is_found_comes_in_pages(target):
    one = word()
    client = None
    for number in range(3):
        client, _ = await known(target, f"Part {number} of {one}.", metadata={"of": one})
    page = await client.search_knowledge(one, filters={"of": one}, limit=2, page=2)
    equal((len(page.data), page.meta.page, page.meta.limit), (1, 2, 2))
    equal((page.meta.total_count, page.meta.total_pages), (3, 2))
    equal(len((await client.search_knowledge(one, filters={"of": one}, max_results=2)).data), 2)


@check
async def a_search_is_by_words_when_asked(target):
    one = word()
    client, _ = await known(target, f"Cats sleep {one}.")
    equal(await found(client, one, search_type="keyword", max_results=1), [f"Cats sleep {one}."])


@check
async def a_wrong_search_is_refused(target):
    client, _ = await known(target, "One.")
    await expect_status(422, client.search_knowledge("x", max_results=1001))
    await expect_status(400, client.search_knowledge("x", vector_db_ids=["nobody"]))


@check
async def what_is_deleted_is_found_no_more(target):
    one = word()
    client, made = await known(target, f"Cats sleep {one}.")
    equal((await client.delete_knowledge_content(made.id)).id, made.id)
    equal([text for text in await found(client, one) if one in text], [])
    assert made.id not in {content.id for content in (await client.list_knowledge_content(limit=1000)).data}


@check
async def the_configuration_lists_readers_and_chunkers(target):
    client = AgentOSClient(target.base_url)
    config = await client.get_knowledge_config()
    equal(config.readers["text"].id, "text")
    assert "text" in config.readersForType[".txt"]
    assert all(chunker.key == key for key, chunker in config.chunkers.items())
    assert config.vector_dbs[0].id
    base = (await client.aget_config()).knowledge
    assert base.dbs[0].db_id


@check
async def the_ids_of_the_configuration_are_taken(target):
    one = word()
    client, _ = await known(target, f"Cats {one}.")
    knowledge = (await client.aget_config()).knowledge
    ids = {"db_id": knowledge.dbs[0].db_id}
    if getattr(knowledge, "knowledge_instances", None):
        ids["knowledge_id"] = knowledge.knowledge_instances[0].id
    assert (await client.list_knowledge_content(**ids)).data
    vector_db = (await client.get_knowledge_config(db_id=ids["db_id"])).vector_dbs[0].id
    equal(await found(client, one, vector_db_ids=[vector_db], max_results=1, **ids), [f"Cats {one}."])


@check
async def an_unknown_database_or_base_is_404(target):
    client = AgentOSClient(target.base_url)
    await expect_status(404, client.list_knowledge_content(db_id="nobody"))
    await expect_status(404, client.list_knowledge_content(knowledge_id="nobody"))
    await expect_status(404, client.search_knowledge("x", db_id="nobody"))
    await expect_status(404, client.get_knowledge_config(db_id="nobody"))


@check
async def an_upload_is_answered_before_it_is_taken_in(target):
    client = AgentOSClient(target.base_url)
    started = time.monotonic()
    made = await client.upload_knowledge_content(name=word(), text_content="Many words. " * 20_000)
    assert time.monotonic() - started < SOON_S
    equal(status_of(await taken_in(client, made)), "completed")


@check
async def the_security_key_guards_knowledge(target):
    client, key = AgentOSClient(target.keyed_url), {"Authorization": f"Bearer {target.key}"}
    await expect_status(401, client.list_knowledge_content())
    made = await client.upload_knowledge_content(name=word(), text_content="Guarded.", headers=key)
    await taken_in(client, made, headers=key)
    equal((await client.get_knowledge_content(made.id, headers=key)).name, made.name)


@check
async def all_contents_of_a_base_are_deleted(target):
    client, _ = await known(target, "One.")
    equal(await client.delete_all_knowledge_content(), "success")
    equal((await client.list_knowledge_content()).data, [])
    equal(await found(client, "One"), [])


# Last: a server that fails here drops the connection, and with it the next call of the client.
@check
async def page_zero_of_contents_is_422(target):
    await expect_status(422, AgentOSClient(target.base_url).list_knowledge_content(page=0))


@check
async def an_unknown_search_type_is_422(target):
    await expect_status(422, AgentOSClient(target.base_url).search_knowledge("x", search_type="magic"))


if __name__ == "__main__":
    main(generation=int(version("agno").partition(".")[0]))
