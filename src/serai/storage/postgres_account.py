"""The system user that PostgreSQL runs as, and which folders that user can reach. Never widens a permission."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from serai.errors import ConfigurationError

SYSTEM_USER = "serai"


class ProcessOptions(TypedDict, total=False):
    """The arguments of ``subprocess`` that start a program as another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class PostgresAccount:
    """A system user.

    Attributes:
        name: its login name.
        uid: its user id.
        gid: its main group.
    """

    name: str
    uid: int
    gid: int

    @property
    def is_other_user(self) -> bool:
        """Whether programs must be started as somebody else than ourselves."""
        return self.uid != os.geteuid()

    def process_options(self) -> ProcessOptions:
        """Return the arguments for ``subprocess`` that start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other_user else {}


def choose_account(cluster: Path) -> PostgresAccount:
    """Choose the user that PostgreSQL runs as: ourselves, or an unprivileged one when we are root.

    Args:
        cluster: PostgreSQL's own folder; when it exists, root runs it as its owner.

    Returns:
        The user; created when root needs one and there is none.

    Raises:
        ConfigurationError: we have no login name, or root cannot create the user.
    """
    own_uid = os.geteuid()
    if own_uid != 0:
        return _account_of(own_uid) or _refuse_nameless(own_uid)
    owner = cluster.stat().st_uid if cluster.exists() else 0
    if owner != 0:
        account = _account_of(owner)
        if account is not None:
            return account
    return _system_account()


def trusted_owners(clusters: Iterable[Path]) -> set[int]:
    """Return the ids of those who may own a data folder: ourselves, root, and as whom root would run PostgreSQL.

    Args:
        clusters: PostgreSQL's own folders in that data folder.
    """
    own_uid = os.geteuid()
    trusted = {0, own_uid}
    if own_uid == 0:
        trusted.update(cluster.stat().st_uid for cluster in clusters)
        with suppress(KeyError):
            trusted.add(pwd.getpwnam(SYSTEM_USER).pw_uid)
    return trusted


def user_name(uid: int) -> str:
    """Return a user's login name, or the number of one who has none."""
    account = _account_of(uid)
    return account.name if account else str(uid)


def can_reach(path: Path, account: PostgresAccount) -> bool:
    """Tell whether the user may walk down to a path and read it (or enter it, for a folder)."""
    return all(_may_enter(part, account) for part in (*path.resolve().parents, path))


def first_closed_folder(path: Path, account: PostgresAccount) -> Path | None:
    """Return the topmost folder above or at ``path`` that the user may not enter."""
    resolved = path.resolve()
    return next((part for part in (*reversed(resolved.parents), resolved) if not _may_enter(part, account)), None)


def _may_enter(path: Path, account: PostgresAccount) -> bool:
    info = path.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)


def _account_of(uid: int) -> PostgresAccount | None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return PostgresAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _refuse_nameless(uid: int) -> PostgresAccount:
    raise ConfigurationError(
        f"PostgreSQL cannot run as user id {uid}, which has no entry in /etc/passwd. Run Serai as a named user "
        "(in a container: one that the image creates), or set SERAI_DATABASE_URL to a PostgreSQL of your own."
    )


def _system_account() -> PostgresAccount:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    if entry.pw_uid == 0:
        raise ConfigurationError(f"The system user {SYSTEM_USER} is root; PostgreSQL refuses to run as root.")
    return PostgresAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create_system_user() -> None:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    said = "the program useradd is not installed"
    if useradd is not None:
        command = [useradd, "--system", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        created = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if created.returncode == 0 or _exists_now():
            return
        said = created.stderr.strip() or f"useradd failed with exit code {created.returncode}"
    raise ConfigurationError(
        f"Serai runs as root, PostgreSQL must not, and the system user {SYSTEM_USER} could not be created: {said}. "
        f"Create that user, start Serai as an ordinary user, or set SERAI_DATABASE_URL to a PostgreSQL of your own."
    )


def _exists_now() -> bool:
    """Tell whether another process created the user at the same moment."""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return False
    return True
