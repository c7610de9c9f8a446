"""What is done to every store, and what each must answer."""

from __future__ import annotations

from enum import StrEnum

PAGE_SIZE = 50
LEAST_AMOUNT = 5000
GROUP_BY = ("status", "region")


class Operation(StrEnum):
    """An operation; its text is its name in the tables."""

    GET = "get"
    NEWEST = "newest page of 50"
    PAGE = "filtered and sorted page"
    DEEP = "deep page, by offset"
    AFTER = "deep page, by token"
    TOTAL = "total"
    INCLUDES = "`includes`, total"
    AGGREGATE = "aggregate by two fields"
    CREATE = "durable create"
    UPDATE = "update"
    DELETE = "delete by query, 100 records"


WRITES = (Operation.CREATE, Operation.UPDATE, Operation.DELETE)
QUERIES = tuple(one for one in Operation if one not in (*WRITES, Operation.GET))
CONCURRENCIES = (1, 64)

MEANINGS = {
    Operation.GET: "one record by its id",
    Operation.NEWEST: "no filter, newest first",
    Operation.PAGE: "two fields equal, the largest of a third first, 50 records",
    Operation.DEEP: "newest first, a fifth of the collection skipped, 50 records",
    Operation.AFTER: "the same page by the token of the page before",
    Operation.TOTAL: f"how many have one field equal and another of at least {LEAST_AMOUNT}; no records",
    Operation.INCLUDES: "how many have a value in an array; no records",
    Operation.AGGREGATE: f"the collection by {' and '.join(GROUP_BY)}: count and first record of each of 40 groups",
    Operation.CREATE: "one record of 300 bytes; answered when it is durable",
    Operation.UPDATE: "one record's payload replaced",
    Operation.DELETE: "the 100 records that have one value in a field",
}
