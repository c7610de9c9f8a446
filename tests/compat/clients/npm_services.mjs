// What `AgentClient` of npm's llama-cloud-services must be able to do. Runs beside that package.
import assert from "node:assert/strict";
import { client as cloud } from "llama-cloud-services/api";
import { AgentClient, createAgentDataClient } from "llama-cloud-services/beta/agent";
import { RECORDS, TABLE, check, equal, letterOf, letters, main, ownCollection, thrown } from "./checklist.mjs";

const PEOPLE = { name: "Ada", age: 36, nested: { list: [1, 2.5, null, true] } };

/** A client of a collection of its own. The package has one connection for all its clients, set up anew each time. */
function clientOf(target, { baseUrl = target.baseUrl, key = "any", project = null, ...options } = {}) {
  cloud.setConfig({ baseUrl, headers: { Authorization: `Bearer ${key}`, "Project-Id": project } });
  return new AgentClient({ collection: ownCollection(), ...options });
}

async function filled(target) {
  const client = clientOf(target);
  for (const payload of Object.values(RECORDS)) await client.createItem(payload);
  return client;
}

async function numbered(target, count) {
  const client = clientOf(target);
  for (let n = 0; n < count; n++) await client.createItem({ n, parity: n % 2 });
  return client;
}

async function found(client, options = {}) {
  return letters((await client.search(options)).items.map((item) => item.data));
}

/** The package throws the body of a refusal. */
async function expectRefusal(call, note) {
  const body = await thrown(call, note);
  assert.ok(Array.isArray(body.detail) && body.detail[0].loc && body.detail[0].msg, JSON.stringify([note, body]));
}

async function expectMissing(call) {
  assert.equal(typeof (await thrown(call)).detail, "string");
}

async function checkFilters(target, section) {
  const client = await filled(target);
  for (const [filter, expected] of TABLE.filters[section]) {
    equal(await found(client, { filter }), expected, filter);
    const total = await client.search({ filter, pageSize: 0, includeTotal: true });
    equal(total, { items: [], totalSize: expected.length }, filter);
  }
}

check("create_get_update_delete", async (target) => {
  const client = clientOf(target);
  const created = await client.createItem(PEOPLE);
  equal(created.data, PEOPLE);
  equal([created.deploymentName, created.collection], ["_public", client.collection]);
  assert.ok(created.createdAt.getTime() > Date.UTC(2024));
  equal(created.updatedAt, created.createdAt);
  equal(await client.getItem(created.id), created);
  const updated = await client.updateItem(created.id, { age: 37 });
  equal([updated.id, updated.data, updated.createdAt], [created.id, { age: 37 }, created.createdAt]);
  equal(await client.deleteItem(created.id), undefined);
  await expectMissing(() => client.getItem(created.id));
  await expectMissing(() => client.deleteItem(created.id));
});

check("an_unknown_id_is_404", async (target) => {
  const client = clientOf(target);
  for (const id of ["no-such-id", "a/b c", "a?b#c", "\u00e9"]) await expectMissing(() => client.getItem(id));
  await expectMissing(() => client.updateItem("no-such-id", {}));
});

check("the_deployment_name_comes_from_the_environment", async (target) => {
  clientOf(target);
  const env = { LLAMA_DEPLOY_DEPLOYMENT_NAME: "from-environment" };
  const created = await createAgentDataClient({ env }).createItem({ n: 1 });
  equal([created.deploymentName, created.collection], ["from-environment", "default"]);
  await createAgentDataClient({ env }).deleteItem(created.id);
});

check("the_deployment_name_comes_from_the_address_of_the_page", async (target) => {
  clientOf(target);
  const client = createAgentDataClient({ windowUrl: "https://a.host/deployments/crm/ui/", collection: ownCollection() });
  equal((await client.createItem({ n: 1 })).deploymentName, "crm");
  equal((await client.search({})).items.length, 1);
});

check("projects_do_not_see_each_other", async (target) => {
  const client = clientOf(target, { project: "project-a" });
  const created = await client.createItem({ n: 1 });
  equal((await client.search({})).items.length, 1);
  const other = clientOf(target, { project: "project-b", collection: client.collection });
  equal((await other.search({})).items, []);
  await expectMissing(() => other.getItem(created.id));
});

check("the_api_key_is_the_security_key", async (target) => {
  const created = await clientOf(target, { baseUrl: target.keyedUrl, key: target.key }).createItem({ n: 1 });
  const wrong = clientOf(target, { baseUrl: target.keyedUrl, key: "wrong" });
  assert.ok((await thrown(() => wrong.getItem(created.id))).detail);
});

check("filters_eq_and_ne", (target) => checkFilters(target, "eq_and_ne"));
check("filters_gt_gte_lt_lte", (target) => checkFilters(target, "gt_gte_lt_lte"));
check("filters_includes_and_excludes", (target) => checkFilters(target, "includes_and_excludes"));
check("filters_by_timestamps", (target) => checkFilters(target, "timestamps"));
check("filters_reach_into_objects", (target) => checkFilters(target, "paths"));

check("filters_by_instants_of_the_language", async (target) => {
  const client = await filled(target);
  equal(await found(client, { filter: { created_at: { gte: new Date(0) } } }), "DCBA");
  equal(await found(client, { filter: { updated_at: { lt: new Date(0) } } }), "");
});

check("a_bad_filter_is_422_everywhere", async (target) => {
  const client = await filled(target);
  for (const filter of TABLE.refused_filters) {
    await expectRefusal(() => client.search({ filter }), filter);
    await expectRefusal(() => client.aggregate({ filter, count: true }), filter);
    await expectRefusal(() => client.delete({ filter }), filter);
  }
  equal(await found(client), "DCBA");
});

check("search_orders_by_fields_and_timestamps", async (target) => {
  const client = await filled(target);
  equal(await found(client), "DCBA");
  for (const [orderBy, expected] of TABLE.orders) equal(await found(client, { orderBy }), expected, orderBy);
});

check("a_bad_order_is_422", async (target) => {
  const client = await filled(target);
  for (const orderBy of TABLE.refused_orders) await expectRefusal(() => client.search({ orderBy }), orderBy);
});

check("offsets_walk_every_page", async (target) => {
  const client = await numbered(target, 7);
  const seen = [];
  for (let offset = 0; offset < 7; offset += 3) {
    const page = await client.search({ orderBy: "data.n", pageSize: 3, offset, includeTotal: true });
    seen.push(...page.items.map((item) => item.data.n));
    equal([page.totalSize, page.nextPageToken !== undefined], [7, offset < 6], offset);
  }
  equal(seen, [0, 1, 2, 3, 4, 5, 6]);
});

check("pages_at_the_limits", async (target) => {
  const client = await filled(target);
  equal((await client.search({ pageSize: 4 })).nextPageToken, undefined);
  equal(await client.search({ offset: 4000, includeTotal: true }), { items: [], totalSize: 4 });
  equal(await client.search({ pageSize: 0, includeTotal: true }), { items: [], totalSize: 4 });
  equal((await client.search({ pageSize: 100_000 })).items.length, 4);
  for (const wrong of [{ pageSize: -1 }, { offset: -1 }]) await expectRefusal(() => client.search(wrong), wrong);
});

check("a_page_has_fifty_records_unless_told", async (target) => {
  const client = await numbered(target, 51);
  const page = await client.search({});
  equal([page.items.length, page.items[0].data.n, page.totalSize], [50, 50, undefined]);
});

check("groups_count_and_first", async (target) => {
  const client = await filled(target);
  for (const [{ group_by, order_by, ...rest }, expected] of TABLE.groups) {
    const options = { ...rest, ...(group_by && { groupBy: group_by }), ...(order_by && { orderBy: order_by }) };
    const page = await client.aggregate(options);
    const groups = page.items.map((group) => [group.groupKey, group.count ?? null, letterOf(group.firstItem)]);
    equal([groups, page.nextPageToken], [expected, undefined], options);
  }
});

check("groups_by_offset", async (target) => {
  const client = await numbered(target, 5);
  const seen = [];
  for (let offset = 0; offset < 5; offset += 2) {
    const page = await client.aggregate({ groupBy: ["n"], pageSize: 2, offset });
    seen.push(...page.items.map((group) => group.groupKey.n));
    equal(page.nextPageToken !== undefined, offset < 4, offset);
  }
  equal(seen, [0, 1, 2, 3, 4]);
});

check("a_bad_group_is_422", async (target) => {
  const client = await filled(target);
  for (const { group_by: groupBy, order_by: orderBy, page_size: pageSize, ...rest } of TABLE.refused_groups) {
    const options = { groupBy, orderBy, pageSize, ...rest };
    await expectRefusal(() => client.aggregate(options), options);
  }
});

check("delete_by_query_removes_what_search_finds", async (target) => {
  for (const section of Object.values(TABLE.filters)) {
    for (const [filter, expected] of section.filter(([, row]) => row !== "" && row !== "DCBA").slice(0, 2)) {
      const client = await filled(target);
      equal(await client.delete({ filter }), expected.length, filter);
      equal(await found(client), [..."DCBA"].filter((letter) => !expected.includes(letter)).join(""), filter);
    }
  }
});

check("delete_by_query_without_a_filter_empties_one_collection", async (target) => {
  const [client, other] = [await filled(target), await filled(target)];
  equal(await client.delete({}), 4);
  equal(await found(client), "");
  equal(await found(other), "DCBA");
});

await main();
