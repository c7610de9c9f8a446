"""What a base is declared with: what cannot work is refused when it is declared, not when it is used."""

from __future__ import annotations

import re
from typing import Any

import pytest

from serai.errors import ConfigurationError
from serai.knowledge.options import Knowledge


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": " "}, "an id that is not empty"),
        ({"max_results": 0}, "max_results of Knowledge 'knowledge' is 0; it must be 1 to 1000"),
        ({"dimensions": 0}, "dimensions of Knowledge 'knowledge' is 0; it must be 1 or more"),
        ({"chunker": "NoChunker"}, "Knowledge 'knowledge': chunker: 'NoChunker' is not known; use one of Recursive"),
        ({"chunk_size": 50_001}, "chunk_size: 50001 is out of bounds; it must be 1 to 50,000."),
        ({"chunk_size": 100}, "chunk_overlap: 150 must be less than chunk_size, which is 100"),
        ({"search_type": "semantic"}, "is 'semantic'; use one of vector, keyword, hybrid"),
        ({"search_type": "vector"}, "pass embedder="),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Knowledge(**options)


def test_a_search_type_may_be_a_string():
    assert Knowledge(search_type="keyword").search_type == "keyword"
