"""Errors: what must hold, what was given, what to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "AmissError",
    "BackendError",
    "DTypeError",
    "DomainError",
    "ParameterError",
    "ShapeError",
    "suggest",
]


class AmissError(Exception):
    """The base of every error that amiss raises on purpose."""


class ShapeError(AmissError, ValueError):
    """Two arrays do not fit together; nothing is ever broadcast silently."""


class ParameterError(AmissError, ValueError):
    """A parameter, an option or a name is not one of those allowed."""


class DomainError(AmissError, ValueError):
    """A value lies where the loss has no meaning: a label, a probability, a weight."""


class DTypeError(AmissError, TypeError):
    """An array holds a type of number that the loss cannot work with."""


class BackendError(AmissError, TypeError):
    """An array library is missing, unknown, or mixed with another."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or an empty string.

    Examples:
        >>> suggest("hubr", ["huber", "hinge"])
        " Did you mean 'huber'?"
        >>> suggest("zzz", ["huber"])
        ''
    """
    lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean {lower[near[0]]!r}?" if near else ""
