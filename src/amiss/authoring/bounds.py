"""Where a loss is steepest, where it bends most, and where it breaks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.authoring.measuring import Items, Line, grid, lines, nice

__all__ = ["Kink", "Peak", "kinks", "largest"]

JUMP = 1e-6
"""A change between neighbouring numbers, relative to 1 plus the smaller of the two, that is no rounding."""

GROWTH = 1.02
"""What grows by so much over the last factor of ten, or under a magnifying glass, has no bound."""

HUGE = 1e100
"""What grows beyond it towards an end of the domain has no bound, whatever stands at the end itself."""

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Peak:
    """The largest number that was met, and where; `number` is inf where no bound is in sight."""

    number: float
    seen: float
    prediction: Any
    target: Any


def largest(items: Items, measure: Measure) -> Peak:
    """Return the largest of a quantity along all lines; the largest are looked at ever closer.

    There is no bound where it grows over the last factor of ten towards infinity, towards an end of the
    domain where it is infinite, or without end as one looks closer at a place.
    """
    measured = []
    for line in lines(items):
        s = grid(line, items)
        sizes = measure(line.at(s), line.aims(s))
        known = np.isfinite(sizes)
        if known.any():
            measured.append((line, s[known], sizes[known]))
    worth = max((sizes.max() for *_, sizes in measured), default=0.0) / 2  # smaller ones are not looked at
    best: tuple[float, float, Line, float] | None = None
    for line, s, sizes in measured:
        endless = [_towards(measure, line, s, sizes, end) for end in (line.low, line.high)]
        tops = [top for top in np.argsort(sizes)[-3:] if sizes[top] >= worth and not _level(sizes, top)]
        found = [(float(sizes.max()), float(sizes.max()), float(s[np.argmax(sizes)])), *filter(None, endless)]
        found += [_magnified(measure, line, s, int(top)) for top in tops]
        number, seen, place = max(found, key=lambda one: one[:2])
        if best is None or number > best[0] * (1.0 + 1e-9):
            at = nice(np.append(s, place), np.append(sizes, seen), seen) if math.isfinite(number) else place
            best = number, seen, line, at
    if best is None:
        return Peak(math.nan, math.nan, None, None)
    number, seen, line, place = best
    return Peak(number, seen, line.at(np.array([place]))[0], line.target)


def _level(sizes: np.ndarray, top: int) -> bool:
    """Return whether a size is that of its neighbours, so that there is nothing to be found in between."""
    beside = sizes[max(0, top - 1) : top + 2]
    return bool(len(beside) == 3 and np.ptp(beside) <= 1e-12 * np.abs(sizes[top]))


def _towards(
    measure: Measure, line: Line, s: np.ndarray, sizes: np.ndarray, end: float
) -> tuple[float, float, float] | None:
    """Return that there is no bound, with a size and a place that show it, if a size grows towards an end."""
    inward = 1.0 if end == line.low else -1.0
    toward = -inward * s > 0 if math.isinf(end) else s != end
    if not toward.any():
        return None
    with np.errstate(divide="ignore"):
        nearness = np.abs(s) if math.isinf(end) else 1.0 / np.abs(s - end)
    last, most = nearness[toward].max(), sizes[toward].max()
    before = sizes[toward & (nearness <= last / 10)].max(initial=0.0)
    if most <= GROWTH * before or not (math.isinf(end) or most > HUGE or end not in s):
        return None
    steps = 10.0 ** np.arange(1, 13)
    places = -inward * steps if math.isinf(end) else end + inward / steps
    shown = measure(line.at(places), line.aims(places))
    large = np.flatnonzero(shown >= 1e6) if np.isfinite(shown).any() else []
    at = int(large[0]) if len(large) else int(np.argmax(np.where(np.isfinite(shown), shown, -1.0)))
    return (math.inf, float(shown[at]), float(places[at])) if np.isfinite(shown[at]) else (
        math.inf, float(most), float(s[toward][np.argmax(sizes[toward])])
    )  # fmt: skip


def _magnified(measure: Measure, line: Line, s: np.ndarray, top: int) -> tuple[float, float, float]:
    """Return the largest size between two neighbours of a place, looked at ever closer."""
    low, high = s[max(0, top - 1)], s[min(len(s) - 1, top + 1)]
    best, place, history = -math.inf, float(s[top]), []
    for _ in range(9):
        x = np.unique(np.append(np.linspace(low, high, 25), place))
        sizes = measure(line.at(x), line.aims(x))
        sizes = np.where(np.isfinite(sizes), sizes, -math.inf)
        at = int(np.argmax(sizes))
        if sizes[at] > best:
            best, place = float(sizes[at]), float(x[at])
        at = int(np.argmin(np.abs(x - place)))
        low, high = x[max(0, at - 1)], x[min(len(x) - 1, at + 1)]
        history.append(best)
        if not low < high:
            break
    inside = not any(abs(place - end) < 1e-9 for end in (line.low, line.high))
    if not (inside and best > GROWTH * history[-min(4, len(history))] > 0):
        return best, best, place
    for beside in float(f"{place:.9f}") + np.array([1e-3, 1e-6, 1e-9]):  # where it shows, and reads well
        size = float(measure(line.at(np.array([beside])), line.aims(np.array([beside])))[0])
        if 1e3 <= size < best:
            return math.inf, size, float(beside)
    return math.inf, best, place


# --- breaks ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Kink:
    """A place where the gradient, or the value itself (`value_jump` is then not 0), jumps along a line."""

    line: Line
    place: float
    left: float
    right: float
    value_jump: tuple[float, float] | None = None

    @property
    def prediction(self) -> Any:
        """The prediction at the place."""
        return self.line.at(np.array([self.place]))[0]


def kinks(items: Items) -> list[Kink]:
    """Return the places where value or gradient jump, found by halving the intervals of change."""
    found: list[Kink] = []
    for line in lines(items):
        s = grid(line, items)
        for quantity in (items.value, items.gradient):
            for place in _jumps(line, s, quantity):
                if not any(kink.line is line and abs(kink.place - place) < 1e-9 for kink in found):
                    found.append(_kink(items, line, place, quantity == items.value))
    return found


def _jumps(line: Line, s: np.ndarray, quantity: Measure) -> list[float]:
    """Return the places on a line at which a quantity jumps; the noise of rounding is no jump.

    Nor is a step at an end of the domain other than 0, where the numbers in between cannot be written.
    """

    def of(x: np.ndarray) -> np.ndarray:
        q = quantity(line.at(x), line.aims(x))
        return q if q.ndim > 1 else q[:, None]

    def change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(b - a, axis=-1)

    def jump(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        sizes = np.minimum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
        return change(a, b) > JUMP * (1.0 + sizes)

    with np.errstate(all="ignore"):
        q = of(s)
        known = np.isfinite(q).all(-1)
        s, q = s[known], q[known]
        left, right, a, b = s[:-1], s[1:], q[:-1], q[1:]
        for _ in range(70):
            kept = np.isfinite(a).all(-1) & np.isfinite(b).all(-1) & jump(a, b)
            left, right, a, b = left[kept], right[kept], a[kept], b[kept]
            middle = left + (right - left) / 2
            if not len(middle) or ((middle == left) | (middle == right)).all():
                break
            m = of(middle)
            first = (change(a, m) >= change(m, b))[:, None]
            left, right = np.where(first[:, 0], left, middle), np.where(first[:, 0], middle, right)
            a, b = np.where(first, a, m), np.where(first, m, b)
        places = []
        for lower, upper, size in zip(left, right, change(a, b), strict=True):
            step = max(8 * np.spacing(max(abs(lower), abs(upper))), 4 * (upper - lower))
            beside = np.concatenate([lower - step * np.arange(1, 4), upper + step * np.arange(1, 4)])
            inside = (beside >= line.low) & (beside <= line.high)
            around = np.where(inside[:, None], of(np.clip(beside, line.low, line.high)), np.nan)
            spread = max(
                np.linalg.norm(np.nan_to_num(np.ptp(part, axis=0))) for part in (around[:3], around[3:])
            )
            unresolved = any(end and abs(upper - end) <= 4 * np.spacing(end) for end in (line.low, line.high))
            if size > 4 * spread and not unresolved:
                places.append(float(min(lower, upper, key=lambda x: (len(f"{x:.15g}"), abs(x)))))
    return places


def _kink(items: Items, line: Line, place: float, of_value: bool) -> Kink:
    """Return a jump with the slopes along the line beside it, or with the values."""
    step = 1e-9 * max(abs(place), 1.0) if not place or abs(place) > 1e-6 else 1e-3 * abs(place)
    beside = np.clip(np.array([place - step, place + step]), line.low, line.high)
    gradient = items.gradient(line.at(beside), line.aims(beside))
    left, right = (gradient * line.direction).reshape(2, -1).sum(-1)
    values = tuple(map(float, items.value(line.at(beside), line.aims(beside)))) if of_value else None
    return Kink(line, place, float(left), float(right), values)  # type: ignore[arg-type]
