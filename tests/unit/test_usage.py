"""Tokens and dollars of models, summed; what is not known stays unknown."""

from __future__ import annotations

import pytest

from serai.cli.tables import dollars
from serai.domain.usage import no_less, sum_cost, sum_usage, used


def test_costs_are_summed_where_they_are_known():
    usage = [
        *used("a", "p", {"input_tokens": 1}, 0.1),
        *used("b", "p", {"input_tokens": 2}),
        *used("a", "p", {"input_tokens": 3}, 0.2),
    ]
    assert sum_usage(usage) == [
        {"id": "a", "provider": "p", "input_tokens": 4, "cost": 0.3},
        {"id": "b", "provider": "p", "input_tokens": 2},
    ]
    assert sum_cost(usage) == 0.3
    assert sum_cost(used("b", "p", {"input_tokens": 2})) is None


def test_of_two_counts_the_greater_cost_counts():
    (item,) = no_less(used("a", "p", {"input_tokens": 1}, 0.1), used("a", "p", {"input_tokens": 5}, 0.5))
    assert (item["input_tokens"], item["cost"]) == (5, 0.5)


@pytest.mark.parametrize(
    ("cost", "text"),
    [(0.0, "$0.00"), (0.0000125, "$0.000013"), (0.00351, "$0.00351"), (0.5, "$0.5"), (1234.5, "$1,234.50")],
)
def test_dollars_as_people_read_them(cost, text):
    assert dollars(cost) == text
