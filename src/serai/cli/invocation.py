"""How the command ``serai`` is called here, for texts that offer it to be copied."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


def own_command(environment: Mapping[str, str] = os.environ) -> str:
    """Return ``serai`` where the user's shell finds it, else ``uv run serai``."""
    folders = environment.get("PATH", "").split(os.pathsep)
    if "UV_RUN_RECURSION_DEPTH" in environment:
        # `uv run` has put its environment's programs in front of what the user's shell sees.
        folders = [folder for folder in folders if Path(folder) != Path(sys.prefix, "bin")]
    return "serai" if shutil.which("serai", path=os.pathsep.join(folders)) else "uv run serai"
