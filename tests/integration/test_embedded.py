"""Serai's own PostgreSQL: started, shared, adopted after a kill, recovered, stopped by the last that leaves."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from serai.storage.data_folder import DataFolder, is_held
from serai.storage.embedded import EmbeddedPostgres
from serai.storage.postgres_binaries import find_binaries
from serai.storage.postgres_process import read_pid_file
from tests.postgres import data_folder, fetch, process_using, start_of


@dataclass(frozen=True)
class Place:
    """A data folder, and the version of PostgreSQL in it."""

    folder: DataFolder
    version: str

    def embedded(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.folder.root, postgres_version=self.version)

    @property
    def cluster(self) -> Path:
        return self.folder.cluster(int(self.version))

    @property
    def is_running(self) -> bool:
        return is_held(self.folder.server_lock)

    def postgres_pid(self) -> int:
        pid_file = read_pid_file(self.cluster)
        assert pid_file is not None
        return pid_file.pid


@pytest.fixture(scope="module", params=["16", "18"])
def initialised(request: pytest.FixtureRequest) -> Iterator[Place]:
    with data_folder() as path:
        place = Place(DataFolder(path), request.param)
        with place.embedded():
            pass
        yield place


@pytest.fixture
def place(initialised: Place) -> Iterator[Place]:
    assert not initialised.is_running
    yield initialised
    with initialised.embedded():
        pass
    assert not initialised.is_running


async def test_started_server_answers_and_stop_ends_it(place):
    embedded = place.embedded()
    dsn = embedded.start()

    assert (await fetch(dsn, "show server_version")).startswith(place.version)
    assert await fetch(dsn, "select current_database() || current_user") == "seraiserai"
    embedded.stop()
    assert not place.is_running
    with pytest.raises(OSError, match="o such file"):
        await asyncpg.connect(dsn)


def test_stop_without_start_and_second_stop_do_nothing(place):
    embedded = place.embedded()
    embedded.stop()
    embedded.start()
    embedded.stop()
    embedded.stop()
    assert not place.is_running


async def test_other_process_shares_the_server_and_the_last_one_stops_it(place):
    with place.embedded() as embedded:
        dsn = embedded.start()
        with process_using(place.folder.root, place.version) as other:
            assert start_of(other) == dsn
            embedded.stop()
            assert await fetch(dsn, "select 1") == 1
        assert not place.is_running


async def test_processes_that_start_at_once_get_one_server(place):
    with ExitStack() as stack:
        others = [stack.enter_context(process_using(place.folder.root, place.version)) for _ in range(3)]
        dsns = {start_of(other) for other in others}
        assert len(dsns) == 1
        assert await fetch(dsns.pop(), "select 1") == 1
    assert not place.is_running


def test_killed_user_is_not_counted_and_its_server_is_adopted_and_stopped(place):
    with process_using(place.folder.root, place.version) as other:
        start_of(other)
        pid = place.postgres_pid()
        other.kill()
        other.wait()

        assert place.is_running
        embedded = place.embedded()
        embedded.start()
        assert place.postgres_pid() == pid
        embedded.stop()
        assert not place.is_running


async def test_killed_postgres_is_restarted_and_keeps_what_was_committed(place):
    with place.embedded() as embedded:
        connection = await asyncpg.connect(embedded.start())
        await connection.execute("drop table if exists kept; create table kept as select 42 as answer")
        first = place.postgres_pid()
        os.kill(first, signal.SIGKILL)
        connection.terminate()

        dsn = embedded.start()
        assert place.postgres_pid() != first
        assert await fetch(dsn, "select answer from kept") == 42


async def test_stale_pid_file_whose_number_another_program_has_is_seen_through(place):
    with place.embedded():
        left = {name: (place.cluster / name).read_text() for name in ("postmaster.pid", ".s.PGSQL.5432.lock")}
    for name, text in left.items():
        (place.cluster / name).write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))

    with place.embedded() as embedded:
        assert await fetch(embedded.start(), "select 1") == 1
        assert place.postgres_pid() != os.getpid()


def test_postgres_is_out_of_reach_of_the_terminals_interrupt(place):
    with place.embedded():
        assert os.getsid(place.postgres_pid()) != os.getsid(0)


def test_folders_above_keep_their_permissions_and_the_database_is_private(place):
    parent = place.folder.root.parent
    before = stat.S_IMODE(parent.stat().st_mode)
    with place.embedded():
        assert stat.S_IMODE(parent.stat().st_mode) == before
        assert stat.S_IMODE(place.cluster.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
def test_other_local_users_are_not_let_in_even_with_the_folder_open(place):
    psql = find_binaries(place.version).tool("psql")
    with place.embedded() as embedded:
        dsn = embedded.start()
        (place.cluster / ".s.PGSQL.5432").chmod(0o777)
        place.cluster.chmod(0o711)
        try:
            command = [psql, dsn, "-c", "select 1"]
            refused = subprocess.run(command, user="nobody", cwd="/", capture_output=True, text=True, check=False)
        finally:
            place.cluster.chmod(0o700)
    assert "Peer authentication failed" in refused.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("jit", "off"),
    ],
)
async def test_setting_is_safe(place, setting, value):
    with place.embedded() as embedded:
        assert await fetch(embedded.start(), f"show {setting}") == value


async def test_custom_settings_win(place):
    custom = place.folder.root / "custom.conf"
    custom.write_text("work_mem = 3MB\n")
    try:
        with place.embedded() as embedded:
            assert await fetch(embedded.start(), "show work_mem") == "3MB"
    finally:
        custom.unlink()


async def test_failed_start_quotes_the_log_and_leaves_nothing_behind(place):
    custom = place.folder.root / "custom.conf"
    custom.write_text("no_such_setting = 1\n")
    try:
        with pytest.raises(Exception, match="no_such_setting"):
            place.embedded().start()
    finally:
        custom.unlink()
    assert not place.is_running
    assert not is_held(place.folder.users_lock)


def test_large_log_is_put_aside(place):
    place.folder.log.write_bytes(b"x\n" * 5_000_000)
    with place.embedded():
        assert place.folder.log.stat().st_size < 100_000


async def test_text_sorts_by_code_point(place):
    with place.embedded() as embedded:
        assert (
            await fetch(embedded.start(), "select string_agg(c, '' order by c) from unnest('{b,B,ä,a}'::text[]) c")
            == "Babä"
        )
