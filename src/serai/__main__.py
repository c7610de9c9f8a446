"""``python -m serai``: the same as the command ``serai``."""

from __future__ import annotations

from serai.cli import main

if __name__ == "__main__":
    main()
