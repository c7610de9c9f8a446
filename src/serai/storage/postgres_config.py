"""The configuration files of Serai's own PostgreSQL, written anew at each start. Why each value: the how-to page."""

from __future__ import annotations

import os
from pathlib import Path

PORT = 5432
_SMALL_SHARED_MEMORY_BYTES = 512 * 1024 * 1024

_SETTINGS = """\
# Written by Serai at each start: changes here are lost. Your own settings go into custom.conf beside this file.
hba_file = {hba_file}
ident_file = {ident_file}
listen_addresses = ''
port = {port}
unix_socket_directories = {socket_dir}
unix_socket_permissions = 0700

max_connections = 100
shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 128MB
max_locks_per_transaction = 256
dynamic_shared_memory_type = {dynamic_shared_memory_type}

fsync = on
full_page_writes = on
synchronous_commit = on
checkpoint_timeout = 10min
max_wal_size = 1GB
min_wal_size = 80MB

jit = off
random_page_cost = 1.1
idle_in_transaction_session_timeout = 10s

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
log_min_messages = warning
log_min_error_statement = panic
"""


def write_configuration(folder: Path, *, socket_dir: Path, system_user: str) -> Path:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf into a folder that PostgreSQL's user can read.

    A connection is let in by the kernel's word on who opened the socket (``peer``): root and PostgreSQL's own system
    user may be any role, nobody else may be one. That holds even where the socket's folder were open to others, and
    leaves no password to keep.

    Args:
        folder: where the three files go.
        socket_dir: the folder of the unix socket.
        system_user: the login name PostgreSQL runs as.

    Returns:
        The path of postgresql.conf, for ``config_file``.
    """
    hba_file, ident_file = folder / "pg_hba.conf", folder / "pg_ident.conf"
    settings = _SETTINGS.format(
        hba_file=_quoted(hba_file),
        ident_file=_quoted(ident_file),
        socket_dir=_quoted(f'"{socket_dir}"'),
        port=PORT,
        dynamic_shared_memory_type=_dynamic_shared_memory_type(),
    )
    if (folder / "custom.conf").exists():
        settings += "\ninclude 'custom.conf'\n"
    users = "".join(f'serai "{name}" all\n' for name in sorted({"root", system_user}))
    _replace(hba_file, "local all all peer map=serai\n")
    _replace(ident_file, users)
    _replace(folder / "postgresql.conf", settings)
    return folder / "postgresql.conf"


def _dynamic_shared_memory_type() -> str:
    """Choose files where /dev/shm is small, as in Docker (64 MB): parallel index builds need more."""
    try:
        info = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return "posix" if not Path("/proc").exists() else "mmap"
    return "mmap" if info.f_frsize * info.f_blocks < _SMALL_SHARED_MEMORY_BYTES else "posix"


def _quoted(value: Path | str) -> str:
    escaped = str(value).replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _replace(path: Path, text: str) -> None:
    written = path.with_name(path.name + ".new")
    written.unlink(missing_ok=True)  # a link left there would be followed
    written.write_text(text, encoding="utf-8")
    written.chmod(0o644)
    written.replace(path)
