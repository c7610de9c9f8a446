// What `LlamaCloud().beta.agentData` of npm's @llamaindex/llama-cloud must be able to do. Runs beside that package.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import LlamaCloud from "@llamaindex/llama-cloud";
import { RECORDS, TABLE, check, equal, letterOf, letters, main, ownCollection, thrown } from "./checklist.mjs";

const PEOPLE = { name: "Ada", age: 36, nested: { list: [1, 2.5, null, true] } };

function dataOf(target, { baseURL = target.baseUrl, apiKey = "any", ...options } = {}) {
  return new LlamaCloud({ baseURL, apiKey, ...options }).beta.agentData;
}

function scope() {
  return { deployment_name: "_public", collection: ownCollection() };
}

async function filled(target) {
  const [data, here] = [dataOf(target), scope()];
  for (const payload of Object.values(RECORDS)) await data.create({ ...here, data: payload });
  return [data, here];
}

async function numbered(target, count) {
  const [data, here] = [dataOf(target), scope()];
  for (let n = 0; n < count; n++) await data.create({ ...here, data: { n, parity: n % 2 } });
  return [data, here];
}

async function found(data, params) {
  return letters((await data.search(params)).items.map((item) => item.data));
}

async function everything(listing) {
  const all = [];
  for await (const item of listing) all.push(item);
  return all;
}

async function expectError(kind, call, note) {
  const error = await thrown(call, note);
  assert.ok(error instanceof kind, `${JSON.stringify(note)}: expected ${kind.name}, got ${error.stack}`);
  return error;
}

async function expectRefusal(call, note) {
  const { error } = await expectError(LlamaCloud.UnprocessableEntityError, call, note);
  assert.ok(error.detail[0].loc && error.detail[0].msg, JSON.stringify([note, error]));
}

async function checkFilters(target, section) {
  const [data, here] = await filled(target);
  for (const [filter, expected] of TABLE.filters[section]) {
    equal(await found(data, { ...here, filter }), expected, filter);
    const total = await data.search({ ...here, filter, page_size: 0, include_total: true });
    equal([total.items, total.hasNextPage()], [[], false], filter);
  }
}

check("create_get_update_delete", async (target) => {
  const [data, here] = [dataOf(target), scope()];
  const created = await data.create({ ...here, data: PEOPLE });
  equal([created.data, created.collection, created.deployment_name], [PEOPLE, here.collection, "_public"]);
  equal(created.updated_at, created.created_at);
  assert.ok(created.id && created.project_id);
  equal(await data.get(created.id), created);
  const updated = await data.update(created.id, { data: { age: 37 } });
  equal([updated.id, updated.data, updated.created_at], [created.id, { age: 37 }, created.created_at]);
  assert.ok(updated.updated_at > created.updated_at);
  const answer = await data.delete(created.id);
  assert.ok(Object.values(answer).every((value) => typeof value === "string"));
  await expectError(LlamaCloud.NotFoundError, () => data.get(created.id));
});

check("create_by_its_old_name", async (target) => {
  equal((await dataOf(target).agentData({ ...scope(), data: { n: 1 } })).data, { n: 1 });
});

check("an_id_of_odd_form_is_404", async (target) => {
  const data = dataOf(target);
  for (const id of ["no-such-id", "a/b c", "a?b#c", "\u00e9"]) {
    const { error } = await expectError(LlamaCloud.NotFoundError, () => data.get(id), id);
    assert.equal(typeof error.detail, "string");
  }
  await expectError(LlamaCloud.NotFoundError, () => data.update("no-such-id", { data: {} }));
  await expectError(LlamaCloud.NotFoundError, () => data.delete("no-such-id"));
});

check("data_that_is_no_object_is_422", (target) =>
  expectRefusal(() => dataOf(target).create({ ...scope(), data: [1] }), "data"));

check("every_call_takes_a_project", async (target) => {
  const [data, here, project] = [dataOf(target), scope(), { project_id: `p-${randomUUID()}` }];
  const created = await data.create({ ...here, ...project, data: { n: 1 } });
  equal((await data.get(created.id, project)).data, { n: 1 });
  equal((await data.update(created.id, { ...project, data: { n: 2 } })).data, { n: 2 });
  equal((await data.search({ ...here, ...project })).items.length, 1);
  equal((await data.search(here)).items.length, 0);
  equal((await data.aggregate({ ...here, ...project, count: true })).items[0].count, 1);
  equal(await data.deleteByQuery(here), { deleted_count: 0 });
  await expectError(LlamaCloud.NotFoundError, () => data.delete(created.id));
  await data.delete(created.id, project);
  equal(await data.deleteByQuery({ ...here, ...project }), { deleted_count: 0 });
});

check("the_api_key_is_the_security_key", async (target) => {
  const right = dataOf(target, { baseURL: target.keyedUrl, apiKey: target.key });
  const wrong = dataOf(target, { baseURL: target.keyedUrl, apiKey: "wrong" });
  const created = await right.create({ ...scope(), data: { n: 1 } });
  await expectError(LlamaCloud.AuthenticationError, () => wrong.get(created.id));
});

check("filters_eq_and_ne", (target) => checkFilters(target, "eq_and_ne"));
check("filters_gt_gte_lt_lte", (target) => checkFilters(target, "gt_gte_lt_lte"));
check("filters_includes_and_excludes", (target) => checkFilters(target, "includes_and_excludes"));
check("filters_by_timestamps", (target) => checkFilters(target, "timestamps"));
check("filters_reach_into_objects", (target) => checkFilters(target, "paths"));

check("filters_by_instants_of_the_language", async (target) => {
  const [data, here] = await filled(target);
  equal(await found(data, { ...here, filter: { created_at: { gte: new Date(0) } } }), "DCBA");
  equal(await found(data, { ...here, filter: { updated_at: { lt: new Date(0) } } }), "");
});

check("a_bad_filter_is_422_everywhere", async (target) => {
  const [data, here] = await filled(target);
  for (const filter of TABLE.refused_filters) {
    await expectRefusal(() => data.search({ ...here, filter }), filter);
    await expectRefusal(() => data.aggregate({ ...here, filter, count: true }), filter);
    await expectRefusal(() => data.deleteByQuery({ ...here, filter }), filter);
  }
  equal(await found(data, here), "DCBA");
});

check("search_orders_by_fields_and_timestamps", async (target) => {
  const [data, here] = await filled(target);
  equal(await found(data, here), "DCBA");
  for (const [order_by, expected] of TABLE.orders) equal(await found(data, { ...here, order_by }), expected, order_by);
});

check("a_bad_order_is_422", async (target) => {
  const [data, here] = await filled(target);
  for (const order_by of TABLE.refused_orders) await expectRefusal(() => data.search({ ...here, order_by }), order_by);
});

check("offsets_walk_every_page", async (target) => {
  const [data, here] = await numbered(target, 7);
  const seen = [];
  for (let offset = 0; offset < 7; offset += 3) {
    const page = await data.search({ ...here, order_by: "data.n", page_size: 3, offset });
    seen.push(...page.items.map((item) => item.data.n));
    equal(page.hasNextPage(), offset < 6, offset);
  }
  equal(seen, [0, 1, 2, 3, 4, 5, 6]);
});

check("tokens_walk_every_page", async (target) => {
  const [data, here] = await numbered(target, 7);
  // The client repeats the offset beside the token.
  const params = { ...here, page_size: 2, offset: 1 };
  const ascending = await everything(data.search({ ...params, order_by: "data.n" }));
  equal(ascending.map((item) => item.data.n), [1, 2, 3, 4, 5, 6]);
  const descending = await everything(data.search({ ...params, order_by: "data.n desc" }));
  equal(descending.map((item) => item.data.n), [5, 4, 3, 2, 1, 0]);
  const first = await data.search({ ...here, order_by: "parity, created_at", page_size: 4 });
  const second = await first.getNextPage();
  equal([second.items.map((item) => item.data.n), second.hasNextPage()], [[1, 3, 5], false]);
  equal((await everything(first.iterPages())).map((page) => page.items.length), [4, 3]);
});

check("a_token_goes_on_where_its_page_ended", async (target) => {
  const [data, here] = [dataOf(target), scope()];
  const made = [];
  for (const n of [10, 20, 30, 40]) made.push(await data.create({ ...here, data: { n } }));
  const first = await data.search({ ...here, order_by: "n", page_size: 2 });
  for (const n of [5, 35]) await data.create({ ...here, data: { n } });
  await data.delete(made[1].id);
  const rest = await data.search({ ...here, order_by: "n", page_token: first.next_page_token, page_size: 10 });
  equal([rest.items.map((item) => item.data.n), rest.hasNextPage()], [[30, 35, 40], false]);
});

check("a_token_of_another_search_is_422", async (target) => {
  const [data, here] = await filled(target);
  const { next_page_token: page_token } = await data.search({ ...here, order_by: "v", page_size: 1 });
  const others = [{ order_by: "v desc" }, { order_by: "v", filter: { v: { ne: null } } }, {}];
  for (const other of others) await expectRefusal(() => data.search({ ...here, ...other, page_token }), other);
  await expectRefusal(() => data.search({ ...here, page_token: "garbage" }), "garbage");
});

check("pages_at_the_limits", async (target) => {
  const [data, here] = await filled(target);
  equal((await data.search({ ...here, page_size: 4 })).hasNextPage(), false);
  equal((await data.search({ ...here, offset: 4000 })).items, []);
  equal((await data.search({ ...here, page_size: 100_000 })).items.length, 4);
  for (const wrong of [{ page_size: -1 }, { offset: -1 }, { page_size: "many" }]) {
    await expectRefusal(() => data.search({ ...here, ...wrong }), wrong);
  }
});

check("a_page_has_fifty_records_unless_told", async (target) => {
  const [data, here] = await numbered(target, 51);
  equal((await data.search(here)).items.length, 50);
  equal((await everything(data.search(here))).length, 51);
});

check("groups_count_and_first", async (target) => {
  const [data, here] = await filled(target);
  for (const [params, expected] of TABLE.groups) {
    const page = await data.aggregate({ ...here, ...params });
    const groups = page.items.map((group) => [group.group_key, group.count, letterOf(group.first_item)]);
    equal([groups, page.hasNextPage()], [expected, false], params);
  }
});

check("groups_by_offset", async (target) => {
  const [data, here] = await numbered(target, 5);
  const page = await data.aggregate({ ...here, group_by: ["n"], page_size: 2, offset: 3 });
  equal([page.items.map((group) => group.group_key.n), page.hasNextPage()], [[3, 4], false]);
});

check("tokens_walk_every_group", async (target) => {
  const [data, here] = await numbered(target, 7);
  const params = { ...here, group_by: ["n", "parity"], count: true, page_size: 2 };
  const ascending = await everything(data.aggregate(params));
  equal(ascending.map((group) => group.group_key.n), [0, 1, 2, 3, 4, 5, 6]);
  const sorted = await everything(data.aggregate({ ...params, order_by: "parity desc, n desc", offset: 1 }));
  equal(sorted.map((group) => group.group_key.n), [3, 1, 6, 4, 2, 0]);
});

check("a_bad_group_is_422", async (target) => {
  const [data, here] = await filled(target);
  for (const params of TABLE.refused_groups) await expectRefusal(() => data.aggregate({ ...here, ...params }), params);
});

check("delete_by_query_removes_what_search_finds", async (target) => {
  for (const section of Object.values(TABLE.filters)) {
    for (const [filter, expected] of section.filter(([, row]) => row !== "" && row !== "DCBA").slice(0, 2)) {
      const [data, here] = await filled(target);
      equal(await data.deleteByQuery({ ...here, filter }), { deleted_count: expected.length }, filter);
      equal(await found(data, here), [..."DCBA"].filter((letter) => !expected.includes(letter)).join(""), filter);
    }
  }
});

check("delete_by_query_without_a_filter_empties_one_collection", async (target) => {
  const [[data, here], [, other]] = [await filled(target), await filled(target)];
  equal(await data.deleteByQuery(here), { deleted_count: 4 });
  equal(await found(data, here), "");
  equal(await found(data, other), "DCBA");
});

check("delete_by_query_refuses_a_misspelt_filter", async (target) => {
  const [data, here] = await filled(target);
  await expectRefusal(() => data.deleteByQuery({ ...here, filters: { v: { eq: 1 } } }), "filters");
  equal(await found(data, here), "DCBA");
});

check("a_conflict_is_sent_once", async (target) => {
  const attempts = [];
  const counting = (url, init) => {
    attempts.push(new Headers(init.headers).get("x-stainless-retry-count"));
    return fetch(url, init);
  };
  const [data, here] = [dataOf(target, { fetch: counting }), scope()];
  const key = { headers: { "Idempotency-Key": randomUUID() } };
  const created = await data.create({ ...here, data: { n: 1 } }, key);
  equal((await data.create({ ...here, data: { n: 1 } }, key)).id, created.id);
  attempts.length = 0;
  await expectError(LlamaCloud.ConflictError, () => data.create({ ...here, data: { n: 2 } }, key));
  equal(attempts, ["0"]);
});

await main();
