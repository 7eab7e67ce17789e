"""Losses as arguments of a command: a spelling, with parameters in parentheses if any."""

from typing import Any

import click

from amiss.core import Loss
from amiss.naming import parse_loss

__all__ = ["LossType"]


class LossType(click.ParamType):
    """A loss by any of its spellings."""

    name = "loss"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Loss:
        """Return the loss of a spelling."""
        return value if isinstance(value, Loss) else parse_loss(value)
