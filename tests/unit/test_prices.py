"""What model requests cost, by genai-prices, without a network."""

from __future__ import annotations

from decimal import Decimal

import genai_prices
import pytest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.usage import RequestUsage

from serai.telemetry.prices import price_of, price_of_response


@pytest.mark.parametrize(
    ("model", "provider", "tokens"),
    [
        ("gpt-4o", "openai", {"input_tokens": 1000, "output_tokens": 100}),
        ("gpt-4o", "openai", {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 400}),
        ("gpt-4o", None, {"input_tokens": 7, "output_tokens": 0}),
        ("claude-sonnet-4-5", "anthropic", {"input_tokens": 300_000, "output_tokens": 1, "cache_write_tokens": 9}),
        ("claude-sonnet-4-5", "anthropic", {"input_tokens": 300, "output_tokens": 7, "cache_read_tokens": 9}),
        ("gemini-2.5-pro", "google", {"input_tokens": 199_999, "output_tokens": 1000}),
        ("gemini-2.5-pro", "google", {"input_tokens": 200_000, "output_tokens": 1000}),
        ("gemini-2.5-pro", "google", {"input_tokens": 300_000, "output_tokens": 1000}),
        ("deepseek-chat", "deepseek", {"input_tokens": 1000, "output_tokens": 1000}),
        ("sonar", "perplexity", {"input_tokens": 1000, "output_tokens": 1000}),
    ],
)
def test_a_price_is_that_of_genai_prices(model, provider, tokens):
    expected = genai_prices.calc_price(genai_prices.Usage(**tokens), model_ref=model, provider_id=provider)
    assert expected.total_price > 0
    assert price_of(model, provider, tokens) == pytest.approx(float(expected.total_price))


@pytest.mark.parametrize(
    ("model", "provider"), [(None, None), ("", "openai"), ("scripted", "serai"), ("gpt-4o", "serai"), ("nothing", None)]
)
def test_what_nobody_knows_the_price_of_has_none(model, provider):
    assert price_of(model, provider, {"input_tokens": 1000}) is None


@pytest.mark.parametrize("tokens", [{"input_tokens": 1, "cache_read_tokens": 2}, {"output_tokens": -1}])
def test_counts_that_make_no_sense_have_no_price(tokens):
    assert price_of("gpt-4o", "openai", tokens) is None


def test_a_request_without_tokens_costs_nothing():
    assert price_of("gpt-4o", "openai", {}) == 0.0


def test_the_price_of_an_answer_is_noted_in_it():
    response = ModelResponse(
        [], usage=RequestUsage(input_tokens=1000, output_tokens=100), model_name="gpt-4o", provider_name="openai"
    )
    assert price_of_response(response) == pytest.approx(0.0035)
    assert response.usage.cost == Decimal("0.0035")


def test_what_a_gateway_told_goes_before_a_computed_price():
    usage = RequestUsage(input_tokens=1000, cost=Decimal("0.5"))
    assert price_of_response(ModelResponse([], usage=usage, model_name="gpt-4o", provider_name="openai")) == 0.5


def test_an_answer_of_an_unknown_model_has_no_price():
    assert price_of_response(ModelResponse([], model_name="scripted", provider_name="serai")) is None
    assert price_of_response(ModelResponse([])) is None
