"""Formulas that compute a figure from totals, such as `100 * right / all`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from gptaudit.errors import first_line

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "abs": np.abs,
    "sqrt": np.sqrt,
    "z": ndtri,
}

_ARGUMENTS = {"min": range(1, 9), "max": range(1, 9), "abs": (1,), "sqrt": (1,), "z": (1,)}
LONGEST = 500
"""Characters of the longest formula allowed; a longer one could be nested more deeply than Python can parse."""


class Formula:
    """An expression of names, numbers, `+ - * /`, `min`, `max`, `abs`, `sqrt` and `z`; nothing else is evaluated.

    `z` is the quantile of the standard normal distribution.

    >>> Formula("100 * right / all")({"right": 3, "all": 4})
    75.0
    """

    def __init__(self, text: str) -> None:
        """Parse the text; raise `ValueError` if it is not such an expression."""
        self.text = text
        if len(text) > LONGEST:
            msg = f"formula of {len(text)} characters; at most {LONGEST} are allowed"
            raise ValueError(msg)
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            msg = f"formula {text!r}: {first_line(error)}"
            raise ValueError(msg) from None
        self.names = tuple(dict.fromkeys(self._names(self._tree)))

    def __call__(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number, or an array like the values
        """Evaluate it for numbers, or for arrays of one shape; dividing by zero gives NaN or an infinity."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._value(self._tree, {name: np.asarray(v, np.float64) for name, v in values.items()})

    def _names(self, node: ast.AST) -> list[str]:
        match node:
            case ast.Name(id=name):
                return [name]
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return []
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return [*self._names(left), *self._names(right)]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._names(operand)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if len(args) in _ARGUMENTS.get(
                name, ()
            ):
                return [found for arg in args for found in self._names(arg)]
        msg = f"formula {self.text!r}: {ast.unparse(node)!r} is not allowed; only names, numbers, + - * /, "
        raise ValueError(f"{msg}{', '.join(_FUNCTIONS)}")

    def _value(self, node: ast.AST, values: Mapping[str, NDArray[np.float64]]) -> Any:  # noqa: ANN401
        match node:
            case ast.Name(id=name):
                return values[name]
            case ast.Constant(value=number):
                return np.float64(number)  # type: ignore[arg-type]
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](self._value(left, values), self._value(right, values))
            case ast.UnaryOp(op=op, operand=operand):
                return _OPERATORS[type(op)](self._value(operand, values))
            case ast.Call(func=ast.Name(id=name), args=args):
                return _FUNCTIONS[name](*(self._value(arg, values) for arg in args))
        raise AssertionError(ast.dump(node))  # pragma: no cover - `_names` refuses it


@lru_cache
def parsed(text: str) -> Formula:
    """Return the formula of a text; each text is parsed once and cached."""
    return Formula(text)
