"""The fixture ``launcher``: import it in a conftest.py to use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.nursery import Launch, Nursery, launch


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launch]:
    """The quickest way to start nodes here."""
    if sys.platform != "linux":
        yield launch
        return
    with Nursery() as nursery:
        yield nursery.launch
