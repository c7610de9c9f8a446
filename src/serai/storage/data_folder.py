"""The data folder: its layout on disk, its locks, and who may enter it. Knows nothing of running processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serai.errors import ConfigurationError
from serai.storage.postgres_account import PostgresAccount, first_closed_folder, trusted_owners, user_name

_LONGEST_SOCKET_NAME_BYTES = 103  # macOS; Linux takes 107
_SOCKET_NAME = ".s.PGSQL.5432"
_OWN_NAMES = {"start.lock", "users.lock", "server.lock", "software", "pg_hba.conf", "pg_ident.conf", "custom.conf"}


@dataclass(frozen=True)
class DataFolder:
    """The layout: ``postgresql-<major>`` belongs to PostgreSQL, everything beside it to Serai."""

    root: Path

    @property
    def start_lock(self) -> Path:
        """Held alone by whoever starts or stops PostgreSQL just now."""
        return self.root / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Held in common by every process that uses PostgreSQL; the kernel frees a killed one's share."""
        return self.root / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held in common by PostgreSQL's own processes, which inherit it; free when the last of them is gone."""
        return self.root / "server.lock"

    @property
    def log(self) -> Path:
        """What PostgreSQL prints."""
        return self.root / "postgresql.log"

    def cluster(self, major: int) -> Path:
        """Return PostgreSQL's own folder of a major version."""
        return self.root / f"postgresql-{major}"

    def newest_major(self) -> int | None:
        """Return the newest major version that has a folder here, or None in a new data folder."""
        found = self.root.glob("postgresql-*/PG_VERSION")
        majors = [suffix for path in found if (suffix := path.parent.name.removeprefix("postgresql-")).isdecimal()]
        return max(map(int, majors), default=None)


def open_data_folder(path: Path) -> DataFolder:
    """Create the data folder where it is missing and check that we can write to it.

    Raises:
        ConfigurationError: it cannot be created or written, others may write in it, or it is PostgreSQL's own folder.
    """
    root = path.expanduser().resolve()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
        is_foreign = (root / "PG_VERSION").exists()
        check_trusted(root)
        os.close(open_lock(root / "start.lock"))
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {root} cannot be written: {error.strerror}. Give our user the right to write there, "
            "choose another folder with --data-dir or SERAI_DATA_DIR, or set SERAI_DATABASE_URL to your own PostgreSQL."
        ) from error
    if is_foreign:
        raise ConfigurationError(
            f"{root} is the folder of a PostgreSQL that Serai did not create. Choose another folder with --data-dir or "
            "SERAI_DATA_DIR, or start that PostgreSQL yourself and set SERAI_DATABASE_URL."
        )
    return DataFolder(root)


def check_trusted(root: Path) -> None:
    """Check that nobody else can put files of theirs into the data folder, which we and PostgreSQL would then use.

    Raises:
        ConfigurationError: it is another user's, or its permissions let others write.
    """
    info = root.stat()
    if info.st_uid not in trusted_owners(list(root.glob("postgresql-*/"))):
        raise ConfigurationError(
            f"The data folder {root} belongs to {user_name(info.st_uid)}, who is neither our user "
            f"({user_name(os.geteuid())}) nor PostgreSQL's, and could change the database's files. Give it to our user "
            f"(chown {user_name(os.geteuid())} {root}), start Serai as {user_name(info.st_uid)}, or choose another "
            "folder with --data-dir or SERAI_DATA_DIR."
        )
    # Our own group is the operator's choice: private groups with umask 002, volumes mounted for a group.
    is_ours = info.st_gid in {os.getegid(), *os.getgroups()}
    others = stat.S_IWOTH if is_ours else stat.S_IWGRP | stat.S_IWOTH
    if info.st_mode & others and not info.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"The data folder {root} can be written by other users, who could change the database's files. Take that "
            f"right away (chmod go-w {root}), or choose another folder with --data-dir or SERAI_DATA_DIR."
        )


def check_reachable(folder: DataFolder, account: PostgresAccount) -> None:
    """Check that PostgreSQL's user can walk down to the data folder.

    Opens the data folder itself when nothing but Serai's own files lies in it, never one above.

    Raises:
        ConfigurationError: a folder above is closed to that user.
    """
    closed = first_closed_folder(folder.root, account)
    if closed is not None and closed == folder.root.resolve() and _holds_only_ours(folder.root):
        folder.root.chmod(stat.S_IMODE(folder.root.stat().st_mode) | stat.S_IXGRP | stat.S_IXOTH)
        closed = first_closed_folder(folder.root, account)
    if closed is not None:
        raise ConfigurationError(
            f"Serai runs as root and PostgreSQL as the system user {account.name}, who cannot enter {closed}, so "
            f"{folder.root} cannot be the data folder. Serai does not open private folders. Choose a folder outside, "
            "such as /var/lib/serai, with --data-dir or SERAI_DATA_DIR, or start Serai as the folder's owner."
        )


def _holds_only_ours(root: Path) -> bool:
    return all(path.name in _OWN_NAMES or path.name.startswith("postgresql") for path in root.iterdir())


def socket_folder(cluster: Path, account: PostgresAccount) -> Path:
    """Return the folder of the unix socket: PostgreSQL's own, or a private one under /tmp where that name is too long.

    Raises:
        ConfigurationError: somebody else owns the private folder's name.
    """
    if len(os.fsencode(cluster / _SOCKET_NAME)) <= _LONGEST_SOCKET_NAME_BYTES:
        return cluster
    return short_socket_folder(cluster, account)


def short_socket_folder(cluster: Path, account: PostgresAccount) -> Path:
    """Return a private folder under /tmp, always the same for a folder of PostgreSQL's; created where it is missing.

    Raises:
        ConfigurationError: somebody else owns its name.
    """
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    folder = Path("/tmp") / f"serai-{account.uid}-{digest}"  # noqa: S108
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        os.chown(folder, account.uid, account.gid)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != account.uid or info.st_mode & 0o077:
        raise ConfigurationError(
            f"Serai would put the socket of the PostgreSQL in {cluster} into {folder}, and that is no private folder "
            f"of the user {account.name}. Remove it, or choose a data folder with a shorter path."
        )
    return folder


def open_own_file(path: Path, flags: int) -> int:
    """Open a file of Serai's in the data folder, but never what a symbolic link leads to. Returns the descriptor.

    Raises:
        ConfigurationError: a symbolic link has its name.
        OSError: it cannot be opened for another reason.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ConfigurationError(f"{path} is a symbolic link, which Serai does not follow: remove it.") from error


def open_lock(path: Path) -> int:
    """Open a lock file, created where it is missing, owned as its folder is. Returns the file descriptor."""
    descriptor = open_own_file(path, os.O_RDWR | os.O_CREAT)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def is_held(path: Path) -> bool:
    """Tell whether any process holds the lock, in common or alone.

    Ask only while holding the start lock: the question itself holds the lock for a moment.
    """
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def alone(path: Path, *, report: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock alone for the block; wait for it as long as it takes, reporting every five seconds."""
    descriptor = open_lock(path)
    reported_at = time.monotonic()
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - reported_at > 5:
                    report(f"waiting for another process that is starting or stopping PostgreSQL in {path.parent}")
                    reported_at = time.monotonic()
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def write_probe(folder: DataFolder) -> None:
    """Write a small file and remove it again.

    Raises:
        ConfigurationError: the disk is full or read-only.
    """
    try:
        with tempfile.TemporaryFile(dir=folder.root) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {folder.root} takes no data: {error.strerror}. Free some space or choose another folder."
        ) from error
