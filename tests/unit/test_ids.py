"""Keys are UUIDv7, rise strictly, and say when they were made."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from uuid import RFC_4122, UUID

from serai.domain.ids import first_key_at, new_key


def milliseconds(key: UUID) -> int:
    return key.int >> 80


def test_a_key_is_a_uuid_of_version_7_with_the_time_in_front():
    before = time.time_ns() // 1_000_000
    key = new_key()
    assert (key.version, key.variant) == (7, RFC_4122)
    # A burst before this test may have pushed the counter ahead of the clock, but never by a second.
    assert before <= milliseconds(key) < before + 1000


def test_keys_rise_strictly_also_within_a_millisecond():
    keys = [new_key() for _ in range(20_000)]
    assert all(earlier < later for earlier, later in pairwise(keys))
    assert len({milliseconds(key) for key in keys}) < 5000


def test_text_sorts_as_the_keys_do():
    keys = [new_key() for _ in range(1000)]
    assert sorted(str(key) for key in keys) == [str(key) for key in keys]


def test_threads_never_draw_the_same_key():
    drawn: list[list[UUID]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda own=own: own.extend(new_key() for _ in range(5000))) for own in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in drawn)
    assert len({key for own in drawn for key in own}) == 20_000


def test_the_first_key_of_a_moment_bounds_the_keys_drawn_since():
    now = datetime.now(UTC)
    unix_ms = int(now.timestamp() * 1000)
    assert first_key_at(unix_ms).version == 7
    assert milliseconds(first_key_at(unix_ms)) == unix_ms
    assert first_key_at(unix_ms) <= new_key() < first_key_at(unix_ms + 60_000)


def test_two_processes_hardly_ever_draw_the_same_key():
    key = new_key()
    random_bits = {new_key().int & ((1 << 40) - 1) for _ in range(1000)}
    assert len(random_bits) == 1000
    assert key.int & ((1 << 40) - 1) not in random_bits
