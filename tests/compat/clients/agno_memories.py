"""What the published ``AgentOSClient`` of agno must be able to do with memories: every method it has for them.

Runs in the locked environments of agno 3 and agno 2. Each check has users of its own.
"""

from importlib.metadata import version
from uuid import uuid4

from agno.client import AgentOSClient
from agno_calls import ODD_TEXT, equal, expect_status
from checklist import check, check_generation, main


def user():
    return f"user-{uuid4()}"


async def remembered(target, *memories, user_id=None):
    """Store memories, each a text with its topics; return the client, the user and the memories."""
    client, owner = AgentOSClient(target.base_url), user_id or user()
    made = [await client.create_memory(text, owner, topics=topics or None) for text, *topics in memories]
    return client, owner, made


async def texts(client, **query):
    return [memory.memory for memory in (await client.list_memories(**query)).data]


@check
async def a_memory_is_stored_with_an_id_and_a_time(target):
    _, owner, (made,) = await remembered(target, ("Prefers dark mode", "preferences", "ui"))
    equal((made.memory, made.user_id, made.topics), ("Prefers dark mode", owner, ["preferences", "ui"]))
    assert made.memory_id
    assert made.updated_at.tzinfo is not None


@check
async def a_memory_is_read_by_its_id(target):
    client, owner, (made,) = await remembered(target, ("Likes tea",))
    equal(await client.get_memory(made.memory_id), made)
    equal((await client.get_memory(made.memory_id, user_id=owner)).topics, [])


@check
async def odd_characters_of_a_memory_come_back(target):
    client, owner, (made,) = await remembered(target, (ODD_TEXT, "odd \u2028 topic"))
    found = await client.get_memory(made.memory_id)
    equal((found.memory, found.topics), (ODD_TEXT, ["odd \u2028 topic"]))
    equal(await texts(client, user_id=owner), [ODD_TEXT])


@check
async def an_unknown_memory_is_404(target):
    await expect_status(404, AgentOSClient(target.base_url).get_memory(str(uuid4())))


@check
async def a_memory_of_another_user_is_404(target):
    client, _, (made,) = await remembered(target, ("Mine",))
    await expect_status(404, client.get_memory(made.memory_id, user_id=user()))


@check
async def memories_are_listed_by_user_in_pages(target):
    client, owner, _ = await remembered(target, ("One",), ("Two",), ("Three",))
    page = await client.list_memories(user_id=owner, limit=2, page=2)
    equal(len(page.data), 1)
    equal((page.meta.page, page.meta.limit, page.meta.total_pages, page.meta.total_count), (2, 2, 2, 3))
    both = [await texts(client, user_id=owner, limit=2, page=number) for number in (1, 2)]
    equal(sorted(both[0] + both[1]), ["One", "Three", "Two"])


@check
async def a_page_past_the_end_of_memories_is_empty_and_has_the_total(target):
    client, owner, _ = await remembered(target, ("One",))
    beyond = await client.list_memories(user_id=owner, page=9)
    equal((beyond.data, beyond.meta.total_count), ([], 1))


@check
async def memories_are_sorted_as_asked(target):
    client, owner, _ = await remembered(target, ("One",), ("Two",))
    first = await texts(client, user_id=owner, sort_by="user_id", sort_order="asc")
    equal(sorted(first), ["One", "Two"])
    await expect_status(422, client.list_memories(user_id=owner, sort_order="up"))


@check
async def memories_are_found_by_a_topic(target):
    client, owner, _ = await remembered(target, ("Both", "a", "b"), ("One", "a"), ("None",))
    equal(sorted(await texts(client, user_id=owner, topics=["a"])), ["Both", "One"])
    equal(await texts(client, user_id=owner, topics=["a,b"]), ["Both"])


@check
async def memories_are_found_by_all_of_several_topics(target):
    client, owner, _ = await remembered(target, ("Both", "a", "b"), ("One", "a"))
    equal(await texts(client, user_id=owner, topics=["a", "b"]), ["Both"])


@check
async def memories_are_found_by_a_part_of_their_text(target):
    client, owner, _ = await remembered(target, ("Likes green tea",), ("Likes coffee",))
    equal(await texts(client, user_id=owner, search_content="GREEN t"), ["Likes green tea"])
    equal(await texts(client, user_id=owner, search_content="milk"), [])


@check
async def memories_are_found_in_any_script(target):
    client, owner, _ = await remembered(target, ("Любит чай", "чай"), ("Straße",))
    equal(await texts(client, user_id=owner, search_content="ЧАЙ"), ["Любит чай"])
    equal(await texts(client, user_id=owner, search_content="STRASSE"), ["Straße"])
    equal(await texts(client, user_id=owner, topics=["чай"]), ["Любит чай"])


@check
async def characters_with_a_meaning_in_sql_are_searched_as_they_are(target):
    client, owner, _ = await remembered(target, ("100% of a_b",), ("100 percent of ab",))
    equal(await texts(client, user_id=owner, search_content="%"), ["100% of a_b"])
    equal(await texts(client, user_id=owner, search_content="a_b"), ["100% of a_b"])


@check
async def memories_of_no_agent_or_team_are_left_out_when_one_is_asked_for(target):
    client, owner, _ = await remembered(target, ("Mine",))
    equal(await texts(client, user_id=owner, agent_id="nobody"), [])
    equal(await texts(client, user_id=owner, team_id="nobody"), [])


@check
async def a_memory_is_updated(target):
    client, owner, (made,) = await remembered(target, ("Before", "old"))
    changed = await client.update_memory(made.memory_id, "After", owner, topics=["new"])
    equal((changed.memory_id, changed.memory, changed.topics), (made.memory_id, "After", ["new"]))
    assert changed.updated_at >= made.updated_at
    equal((await client.get_memory(made.memory_id)).memory, "After")


@check
async def an_update_without_topics_keeps_them(target):
    client, owner, (made,) = await remembered(target, ("Before", "kept"))
    equal((await client.update_memory(made.memory_id, "After", owner)).topics, ["kept"])


@check
async def an_update_of_an_unknown_memory_is_404_and_makes_none(target):
    client, owner, unknown = AgentOSClient(target.base_url), user(), str(uuid4())
    await expect_status(404, client.update_memory(unknown, "Made?", owner))
    equal(await texts(client, user_id=owner), [])


@check
async def another_user_cannot_update_a_memory(target):
    client, owner, (made,) = await remembered(target, ("Mine",))
    await expect_status(404, client.update_memory(made.memory_id, "Hers", user()))
    equal(await texts(client, user_id=owner), ["Mine"])


@check
async def a_memory_is_deleted_and_deleting_it_again_is_no_error(target):
    client, owner, (made,) = await remembered(target, ("Gone",))
    equal(await client.delete_memory(made.memory_id, user_id=owner), None)
    await expect_status(404, client.get_memory(made.memory_id))
    equal(await client.delete_memory(made.memory_id), None)


@check
async def another_user_cannot_delete_a_memory(target):
    client, owner, (made,) = await remembered(target, ("Mine",))
    await client.delete_memory(made.memory_id, user_id=user())
    await client.delete_memories([made.memory_id], user_id=user())
    equal(await texts(client, user_id=owner), ["Mine"])


@check
async def several_memories_are_deleted_at_once(target):
    client, owner, made = await remembered(target, ("One",), ("Two",), ("Three",))
    ids = [memory.memory_id for memory in made]
    equal(await client.delete_memories([ids[0], ids[2], str(uuid4())], user_id=owner), None)
    equal(await texts(client, user_id=owner), ["Two"])
    await client.delete_memories([ids[1]])
    equal(await texts(client, user_id=owner), [])


@check
async def topics_are_listed_once_each(target):
    topic = f"topic-{uuid4()}"
    client, _, _ = await remembered(target, ("One", topic, "shared"), ("Two", topic))
    found = await client.get_memory_topics()
    equal(found.count(topic), 1)
    equal(found.count("shared"), 1)


@check_generation(3)
async def topics_of_one_user_are_listed(target):
    client, owner, _ = await remembered(target, ("One", "b", "a"))
    await remembered(target, ("Other", "c"))
    equal(sorted(await client.get_memory_topics(user_id=owner)), ["a", "b"])


@check
async def users_are_listed_with_their_memories_latest_first(target):
    client, owner, made = await remembered(target, ("One",), ("Two",))
    page = await client.get_user_memory_stats(limit=1)
    equal(len(page.data), 1)
    assert page.meta.total_count >= 1
    everyone = {one.user_id: one for one in (await client.get_user_memory_stats(limit=1000)).data}
    equal(everyone[owner].total_memories, 2)
    equal(everyone[owner].last_memory_updated_at, made[-1].updated_at)


@check_generation(3)
async def the_memories_of_one_user_are_counted(target):
    client, owner, _ = await remembered(target, ("One",), ("Two",))
    (mine,) = (await client.get_user_memory_stats(user_id=owner)).data
    equal((mine.user_id, mine.total_memories), (owner, 2))
    equal((await client.get_user_memory_stats(user_id=user())).data, [])


@check
async def condensing_is_previewed_and_then_done(target):
    client, owner, _ = await remembered(target, ("Likes tea.",), ("Lives in Rome.",))
    preview = await client.optimize_memories(owner, apply=False)
    equal((preview.memories_before, preview.memories_after, len(preview.memories)), (2, 1, 1))
    equal(len(await texts(client, user_id=owner)), 2)
    done = await client.optimize_memories(owner)
    equal(done.tokens_saved, done.tokens_before - done.tokens_after)
    equal(await texts(client, user_id=owner), [done.memories[0].memory])


@check
async def condensing_nothing_is_404(target):
    answer = await expect_status(404, AgentOSClient(target.base_url).optimize_memories(user()))
    assert answer["detail"].startswith("No memories found for user"), answer


@check
async def condensing_by_a_malformed_model_is_400(target):
    client, owner, _ = await remembered(target, ("Likes tea.",))
    await expect_status(400, client.optimize_memories(owner, model="nonsense"))


@check
async def an_unknown_database_of_memories_is_404(target):
    client, owner = AgentOSClient(target.base_url), user()
    await expect_status(404, client.list_memories(db_id="nobody"))
    await expect_status(404, client.create_memory("Nowhere", owner, db_id="nobody"))
    equal(await texts(client, user_id=owner), [])


@check
async def the_security_key_guards_memories(target):
    client, key = AgentOSClient(target.keyed_url), {"Authorization": f"Bearer {target.key}"}
    await expect_status(401, client.list_memories())
    made = await client.create_memory("Guarded", user(), headers=key)
    equal((await client.get_memory(made.memory_id, headers=key)).memory, "Guarded")


# Last: a server that fails here drops the connection, and with it the next call of the client.
@check
async def page_zero_of_memories_is_422(target):
    await expect_status(422, AgentOSClient(target.base_url).list_memories(page=0))


if __name__ == "__main__":
    main(generation=int(version("agno").partition(".")[0]))
