"""Losses as arguments of a command: a spelling, with parameters in parentheses if any."""

import ast
from typing import Any

import click

from amiss.core import Loss
from amiss.core.errors import ParameterError
from amiss.naming import get

__all__ = ["LossType", "parse_loss"]


def parse_loss(text: str) -> Loss:
    """Return the loss of a text such as `huber` or `huber(delta=2)`; nothing is evaluated.

    Raises:
        ParameterError: the text is no such thing, or names no loss.

    Examples:
        >>> parse_loss("huber(delta=2)")
        Huber(delta=2.0)
    """
    name, parenthesis, rest = text.strip().partition("(")
    if not parenthesis:
        return get(name.strip())
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError
        given = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        if "None" in given:
            raise ValueError
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ParameterError(
            f"a loss must be written as a name with keyword parameters, as in 'huber(delta=2)'; got {text!r}."
        ) from None
    return get(name.strip(), **given)


class LossType(click.ParamType):
    """A loss by any of its spellings."""

    name = "loss"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Loss:
        """Return the loss of a spelling."""
        return value if isinstance(value, Loss) else parse_loss(value)
