"""Results as JSON that people can read, and compare from one commit to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_stored(file: Path, stored: dict[str, Any], *lists: str) -> Path:
    """Write members to a file; those that are named are lists, at the end, with a line for each item.

    Returns:
        The file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    head = {name: value for name, value in stored.items() if name not in lists}
    parts = [json.dumps(head, indent=2).removesuffix("\n}")]
    for name in lists:
        lines = ",\n".join(f"    {json.dumps(item)}" for item in stored[name])
        parts.append(f'  "{name}": [\n{lines}\n  ]')
    file.write_text(",\n".join(parts) + "\n}\n")
    return file
