"""``python -m benchmarks.records.traced FILE ARGUMENTS…``: the command ``serai``, writing down its statements.

Each statement on PostgreSQL, with its parameters, is pickled to the end of FILE as soon as it has been answered.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import asyncpg

from serai.__main__ import main


def trace(file: Path) -> None:
    """Have every connection that asyncpg opens write down what it sends."""
    plain_connect = asyncpg.connect
    stream = file.open("ab")

    def note(query: Any) -> None:
        pickle.dump((query.query, query.args), stream)
        stream.flush()

    async def connect(*args: Any, **options: Any) -> Any:
        connection = await plain_connect(*args, **options)
        connection.add_query_logger(note)
        return connection

    asyncpg.connect = connect


if __name__ == "__main__":
    trace(Path(sys.argv[1]))
    sys.argv = ["serai", *sys.argv[2:]]
    main()
