"""What multiplies a gradient: a number, and names of the code such as N."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from amiss.arrays.recorded import Node

__all__ = ["Scale", "scale_of", "tidy"]


@dataclass(frozen=True)
class Scale:
    """What multiplies a gradient: a number times powers of names.

    Attributes:
        number: the number.
        powers: of each name its power, such as N: -1.
    """

    number: float = 1.0
    powers: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        above = [_power(name, n) for name, n in self.powers.items() if n > 0]
        below = [_power(name, -n) for name, n in self.powers.items() if n < 0]
        size = abs(self.number)
        halves = size < 1 and np.isclose(1 / size, round(1 / size)) and below and not above
        top, bottom = ("1", f"{round(1 / size)}*") if halves and round(1 / size) > 1 else (f"{size:.6g}", "")
        text = "*".join([*([top] if top != "1" or not above else []), *above])
        if below:
            under = bottom + "*".join(below)
            text += f"/({under})" if "*" in under else f"/{under}"
        return ("-" if self.number < 0 else "") + text

    def times(self, other: "Scale") -> "Scale":
        """Return the product."""
        names = dict.fromkeys(chain(self.powers, other.powers))
        powers = {name: self.powers.get(name, 0) + other.powers.get(name, 0) for name in names}
        return Scale(self.number * other.number, {name: n for name, n in powers.items() if n})


def _power(name: str, n: int) -> str:
    return name if n == 1 else f"{name}**{n}"


def scale_of(
    function: Callable[[dict[Node, float]], float], base: dict[Node, float], names: dict[Node, str]
) -> Scale | None:
    """Return a function of some numbers as a number times powers of them, or None if it is something else."""
    at = function(base)
    if not np.isfinite(at) or at == 0.0:
        return None
    powers: dict[str, int] = {}
    rest = at
    for node, value in base.items():
        doubled = function({**base, node: 2.0 * value})
        with np.errstate(all="ignore"):
            power = np.log2(np.abs(doubled / at))
        if not np.isfinite(power) or abs(power - round(power)) > 1e-6 or np.sign(doubled) != np.sign(at):
            return None
        if round(power):
            powers[names[node]] = powers.get(names[node], 0) + round(power)
            rest /= value ** round(power)
    return Scale(tidy(rest), {name: n for name, n in powers.items() if n})


def tidy(number: float) -> float:
    """Return a number without the last digits that computing left, as 0.5 of 0.49999999999999994."""
    nice = float(f"{number:.9g}")
    return nice if abs(nice - number) <= 1e-9 * abs(number) else number
