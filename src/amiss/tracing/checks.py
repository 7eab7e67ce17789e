"""Checks of a derivative: what was compared, how far off it is, and finite differences to compare with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from amiss.core import checks

__all__ = ["EPSILON", "Check", "Slopes", "by_differences", "compared", "slopes", "worst"]

MOST = 400  # numbers of one array that are moved one by one; of a larger array these are drawn
STEPS = 1e-2 / 5.0 ** np.arange(8)  # down to 1e-7, where rounding takes over
RELATIVE = 1e-6  # of the largest slope in the array, is what a derivative may be off
LOST = 1e-3  # of it: a slope that is more unsure is compared with nothing
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Check:
    """A comparison of numbers with others that were found in another way.

    Attributes:
        against: what they were compared with.
        difference: the largest difference, of the number that is the furthest from what is allowed.
        allowed: how large it may be: what rounding and the other way leave uncertain.
        compared: how many numbers were compared, `of` how many.
        kinks: how many lie at a kink, where there is a slope on each side and no derivative, or where
            rounding leaves nothing of a difference.

    Examples:
        >>> Check("finite difference", 1e-9, 1e-6, 3, 3).passed
        True
    """

    against: str
    difference: float
    allowed: float
    compared: int
    of: int
    kinks: int = 0

    @property
    def passed(self) -> bool:
        """Whether the difference is allowed; NaN is not."""
        return self.difference <= self.allowed

    def __str__(self) -> str:
        some = "" if self.compared + self.kinks == self.of else f", {self.compared} of {self.of:,} numbers"
        kinks = f", {self.kinks} of {self.of:,} at a kink or lost in rounding" if self.kinks else ""
        if not self.compared:
            return f"{self.against}: nothing to compare{kinks}"
        verdict = "ok" if self.passed else f"WRONG, allowed is {self.allowed:.0e}"
        return f"{self.against}: off by {self.difference:.1e}, {verdict}{some}{kinks}"


def compared(against: str, claimed: np.ndarray, other: np.ndarray, relative: float = 1e-12) -> Check:
    """Compare numbers that should be equal up to rounding."""
    claimed, other = np.asarray(claimed, np.float64), np.asarray(other, np.float64)
    if claimed.shape != other.shape:
        return Check(against, np.inf, 0.0, claimed.size, claimed.size)
    size = max(1.0, float(np.max(np.abs(other), initial=0.0)))
    with np.errstate(invalid="ignore"):
        difference = np.where(claimed == other, 0.0, np.abs(claimed - other))  # two infinities are equal
    return Check(against, float(np.max(difference, initial=0.0)), relative * size, claimed.size, claimed.size)


def worst(found: Sequence[Check]) -> Check:
    """Return several checks of parts of one array as one."""
    first = max(found, key=lambda check: check.difference / check.allowed if check.allowed else np.inf)
    total = [sum(getattr(check, name) for check in found) for name in ("compared", "of", "kinks")]
    return Check(first.against, first.difference, first.allowed, *total)


@dataclass(frozen=True, eq=False)
class Slopes:
    """The derivative of a cost by every number of an array, as far as finite differences tell.

    Attributes:
        low: the slope; at a kink the smaller one of those on both sides. NaN where nothing was measured.
        high: the slope; at a kink the larger one.
        unsure: how far off it may be, by rounding and by the size of the steps.
        kinks: how many numbers lie at a kink, or could not be measured.
        along: of a large array, of which some numbers were drawn: low, high and unsure of the slope in one
            direction of plus and minus 1, and this direction.
    """

    low: np.ndarray
    high: np.ndarray
    unsure: np.ndarray
    kinks: int
    along: tuple[float, float, float, np.ndarray] | None = None


def slopes(
    cost: Callable[[], tuple[float, bytes]],
    array: np.ndarray,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    rounding: float = 0.0,
) -> Slopes:
    """Differentiate a cost by central differences, in double precision.

    Each number is moved to both sides by eight steps, from 1e-2 to 1e-7 of its size. Two neighbouring
    differences cancel the leading error of each other; the pair that agrees best with the next one is taken,
    and how well it agrees is how uncertain it is. At a kink the slopes on both sides stay apart however small
    the step is; where a relu switches within the smallest step nothing is measured.

    Args:
        cost: what is differentiated, and which relus are on; called while `array` is changed in place.
        array: what it is differentiated by.
        bounds: between which the numbers of the array have a meaning.
        rounding: by how much rounding on its way changes the cost, beside that of the cost itself.

    Examples:
        >>> x = np.array([3.0])
        >>> found = slopes(lambda: (float(x[0] ** 2), b""), x)
        >>> round(float(found.low[0]), 6)  # 2 * 3
        6.0
    """
    places = list(np.ndindex(array.shape))
    if len(places) > MOST:
        drawn = np.random.default_rng(0).choice(len(places), MOST, replace=False)
        places = [places[index] for index in np.sort(drawn)]
    low, high, unsure = (np.full(array.shape, np.nan) for _ in range(3))
    kinks, along = 0, None
    with np.errstate(all="ignore"), checks("shapes"):  # outside its domain the loss is NaN
        for place in places:
            probe = _probe(cost, array, place, bounds, rounding)
            kinks += int(probe is None or probe[0] != probe[1])
            if probe is not None:
                low[place], high[place], unsure[place] = probe
        if len(places) < array.size:
            signs = np.random.default_rng(1).choice([-1.0, 1.0], array.shape)
            probe = _probe(cost, array, ..., bounds, rounding, signs)
            along = None if probe is None else (*probe, signs)
    return Slopes(low, high, unsure, kinks, along)


def by_differences(
    cost: Callable[[], tuple[float, bytes]],
    array: np.ndarray,
    claimed: np.ndarray,
    against: str = "finite difference of the loss",
    bounds: tuple[float, float] = (-np.inf, np.inf),
    rounding: float = 0.0,
) -> Check:
    """Compare a claimed derivative with `slopes`; at a kink any number between both sides is right."""
    if np.shape(claimed) != array.shape:
        return Check(against, np.inf, 0.0, 0, array.size)
    found = slopes(cost, array, bounds, rounding)
    scale = float(np.max(np.abs([found.low, found.high]), initial=0.0, where=~np.isnan(found.low)))
    known = 10 * found.unsure <= max(LOST * scale, 1e-9)
    kinks = found.kinks + int(np.sum((found.low == found.high) & ~known))
    columns = [claimed[known], found.low[known], found.high[known], found.unsure[known]]
    smooth = int(np.sum(columns[1] == columns[2]))
    if not known.any():
        return Check(against, 0.0, 0.0, 0, array.size, kinks)
    if found.along is not None:
        *slope, signs = found.along
        columns = [np.append(a, b) for a, b in zip(columns, (np.sum(claimed * signs), *slope), strict=True)]
    claims, low, high, unsure = columns
    difference = np.maximum(0.0, np.maximum(low - claims, claims - high))
    allowed = RELATIVE * np.maximum(scale, np.abs(low)) + 10 * unsure + 1e-300
    first = int(np.argmax(np.where(np.isnan(difference), np.inf, difference / allowed)))
    return Check(against, float(difference[first]), float(allowed[first]), smooth, array.size, kinks)


def _probe(cost, array, place, bounds, rounding, direction=1.0) -> tuple[float, float, float] | None:
    """Return between which slopes the derivative lies, equal but at a kink, and how unsure they are.

    None where a relu switches, or where the number lies at the edge of where it has a meaning.
    """
    start = array[place].copy() if place is ... else array[place]
    room = 0.5 * float(np.min(np.minimum(start - bounds[0], bounds[1] - start)))
    size = float(np.max(np.abs(start)))
    steps = min(1e-2 * max(1.0, size), room) * STEPS / STEPS[0]
    steps = steps[steps > 1e7 * np.spacing(size)]  # smaller ones would be rounded when they are added
    if len(steps) < 4:
        return None
    centre = cost()[0]
    if not np.isfinite(centre + rounding):
        return None
    up, down = np.empty(len(steps)), np.empty(len(steps))
    for number, step in enumerate(steps):
        array[place] = start + step * direction
        up[number], switched_up = cost()
        array[place] = start - step * direction
        down[number], switched_down = cost()
    array[place] = start
    if switched_up != switched_down:
        return None
    noise = 8 * (EPSILON * np.nanmax(np.abs([centre, *up, *down])) + rounding) / steps
    right, left = (up - centre) / steps, (centre - down) / steps
    jump = np.abs(right - left)
    if jump[-1] > max(0.5 * jump[-2], 1e-3 * max(abs(right[-1]), abs(left[-1])), 50 * noise[-1]):
        low, high = sorted((right[-1], left[-1]))
        return low, high, noise[-1]
    plain = (up - down) / (2 * steps)
    found = (25 * plain[1:] - plain[:-1]) / 24
    unsure = np.abs(np.diff(found)) + noise[2:]
    best = int(np.argmin(np.where(np.isnan(unsure), np.inf, unsure)))
    return found[best + 1], found[best + 1], unsure[best]
