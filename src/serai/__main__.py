"""The command ``serai``, also as ``python -m serai``; says what to install where only the clients are."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from serai.cli import main as run_command_line  # noqa: PLC0415 - absent with the clients alone
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("serai"):
            raise
        sys.exit(f"serai: this command needs {error.name!r}, which comes with: pip install 'serai[server]'")
    run_command_line()


if __name__ == "__main__":
    main()
