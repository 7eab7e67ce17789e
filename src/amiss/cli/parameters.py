"""Losses as arguments of a command: a spelling, with parameters in parentheses if any, or an expression."""

from typing import Any

import click

from amiss.authoring.defining import read_loss
from amiss.core import Loss

__all__ = ["LossType"]


class LossType(click.ParamType):
    """A loss by any of its spellings, or as an expression in `prediction` and `target`."""

    name = "loss"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Loss:
        """Return the loss of a text."""
        return value if isinstance(value, Loss) else read_loss(value)
