"""How much of the input is checked: shapes always, values where they can be seen cheaply."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from amiss.core.errors import DomainError, ParameterError

__all__ = ["checks", "first_bad", "inspects"]

_level: ContextVar[str | None] = ContextVar("amiss.checks", default=None)


@contextmanager
def checks(level: str) -> Iterator[None]:
    """Check values everywhere they can be read ("values"), or nowhere ("shapes"), within a `with` block.

    Without it, values (labels, probabilities, weights) are checked on NumPy and eager CPU arrays. Where they
    are not checked, a bad value makes the loss and the gradient of its item NaN. A traced program cannot be
    inspected at any level.

    Raises:
        ParameterError: `level` is neither "values" nor "shapes".

    Examples:
        >>> import amiss
        >>> with checks("shapes"):
        ...     print(amiss.CrossEntropy()([[0.0, 0.0]], [7]))
        nan
    """
    if level not in ("values", "shapes"):
        raise ParameterError(f"checks: level must be 'values' or 'shapes'; got {level!r}.")
    token = _level.set(level)
    try:
        yield
    finally:
        _level.reset(token)


def inspects(xp: Any, *arrays: Any) -> bool:
    """Return whether the values of these arrays are checked now."""
    if not all(xp.readable(array) for array in arrays):
        return False
    level = _level.get()
    if level is None:
        return all(xp.visible(array) for array in arrays)
    return level == "values"


def first_bad(xp: Any, owner: str, argument: str, rule: str, x: Any, inside: Any, remedy: str = "") -> None:
    """Raise a DomainError that names the first entry of x outside its domain, if there is one.

    Raises:
        DomainError: some entry of `inside` is False.
    """
    import numpy as np

    mask = xp.numbers(inside)
    if mask.all():
        return
    position = tuple(int(i) for i in np.argwhere(~mask)[0]) if mask.ndim else ()
    place = f"[{', '.join(map(str, position))}]" if position else ""
    value = xp.numbers(x)[position].item()
    others = int(mask.size - mask.sum()) - 1
    more = f" ({others} more {'entry is' if others == 1 else 'entries are'} outside too)" if others else ""
    raise DomainError(
        f"{owner}: {argument} must be {rule}; got {argument}{place} = {value}{more}. {remedy}".strip()
    )
