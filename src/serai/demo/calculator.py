"""Arithmetic on text, through the syntax tree: numbers and operators only, every result of bounded size."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

MAX_CHARS = 200
MAX_BITS = 4096

_Number = int | float
_BINARY: dict[type[ast.operator], Callable[[_Number, _Number], _Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[_Number], _Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def evaluate(expression: str) -> int | float:
    """Return the value of an arithmetic expression.

    Args:
        expression: numbers with ``+ - * / // % **`` and brackets; at most 200 characters.

    Raises:
        ValueError: the expression is too long, holds anything else, divides by zero, or its value is not a real
            number of at most 4096 bits. The message says which.
    """
    if len(expression) > MAX_CHARS:
        raise ValueError(f"The expression has {len(expression)} characters; at most {MAX_CHARS} are computed.")
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{expression!r} is no arithmetic expression.") from None
    except ZeroDivisionError:
        raise ValueError(f"{expression!r} divides by zero.") from None
    except OverflowError:
        raise ValueError(f"The value of {expression!r} is too large.") from None


def _value(node: ast.expr) -> _Number:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _bounded(node.value)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _bounded(_power(_value(node.left), _value(node.right)))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _bounded(_BINARY[type(node.op)](_value(node.left), _value(node.right)))
    raise ValueError(f"{ast.unparse(node)!r} is neither a number nor an arithmetic operation.")


def _power(base: _Number, exponent: _Number) -> object:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > MAX_BITS:
        raise OverflowError
    return base**exponent


def _bounded(value: object) -> _Number:
    if isinstance(value, int) and value.bit_length() <= MAX_BITS:
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    if isinstance(value, complex):
        raise ValueError("The value is no real number.")
    raise OverflowError
