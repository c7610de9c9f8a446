"""``serai db``, as typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serai.cli.db import app
from serai.errors import ConfigurationError
from tests.postgres import data_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with data_folder() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_url_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERAI_DATABASE_URL", raising=False)


def printed(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_empty_folder_has_a_status_and_no_url(tmp_path):
    assert "no database yet" in printed("status", "--data-dir", tmp_path / "none")
    with pytest.raises(ConfigurationError, match="no database in"):
        printed("url", "--data-dir", tmp_path / "none")


def test_database_is_migrated_shown_saved_and_restored(folder, tmp_path):
    assert "applied 0001_core" in printed("migrate", "--data-dir", folder)
    assert "has every migration" in printed("migrate", "--data-dir", folder)
    assert printed("url", "--data-dir", folder).startswith("postgresql://serai@/serai?host=/")

    shown = printed("status", "--data-dir", folder)
    assert str(folder) in shown
    assert " applied, 0 pending" in shown
    assert "installed" in shown

    assert "Wrote" in printed("backup", tmp_path / "saved.dump", "--data-dir", folder)
    assert "Restored" in printed("restore", tmp_path / "saved.dump", "--clean", "--data-dir", folder)
    assert "Nothing to do" in printed("upgrade", "--data-dir", folder)


def test_folder_on_the_command_line_wins_over_a_url_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SERAI_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/app")
    assert "Serai's own" in printed("status", "--data-dir", tmp_path / "none")
    assert printed("url").strip() == "postgresql://me:secret@127.0.0.1:1/app"
    with pytest.raises(ConfigurationError, match="for the PostgreSQL that Serai brings"):
        printed("upgrade")
