"""The properties of a loss, one check each: what holds, and where it fails a point that proves it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from amiss.authoring.bounds import Kink, Peak, kinks, largest
from amiss.authoring.findings import Property, Witness, plain, seen, signed, text_of
from amiss.authoring.measuring import Items, grid, lines

__all__ = ["TOLERANCE", "check", "is_flat", "lower_bound"]

TOLERANCE = 1e-9
"""Differences of values below it, relative to 1 plus the value, count as rounding."""

REACH = 1.0
"""The distance from which on a prediction counts as an outlier; a quarter of a bounded domain."""


def check(items: Items) -> list[Property]:
    """Return every property of a loss."""
    breaks = kinks(items)
    slope = largest(items, items.slope)
    return [
        _derivatives(items),
        _non_negative(items),
        _zero_at_perfection(items),
        _differentiable(items, breaks, slope),
        _monotonic(items),
        _smooth(items, breaks),
        _convex(items),
        _lipschitz(breaks, slope),
        _symmetric(items),
        _robust(items),
    ]


# --- one property each -------------------------------------------------------------------------------------
def _values(items: Items) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return predictions all over the domain, targets, and the finite values there."""
    places = [(line, grid(line, items)) for line in lines(items)]
    prediction = np.concatenate([line.at(s) for line, s in places])
    target = np.concatenate([line.aims(s) for line, s in places])
    if items.link is not None and items.domain.contains(items.linked(items.certain())).all():
        prediction = np.concatenate([prediction, items.linked(items.certain())])
        target = np.concatenate([target, items.certain()])
    if items.distributions:  # of probabilities only those rows count that sum to 1
        p = np.exp(prediction) if items.domain.low < 0 else prediction
        p = (p + 1e-300) / (p + 1e-300).sum(-1, keepdims=True)
        prediction = np.minimum(np.log(p), 0.0) if items.domain.low < 0 else p
    value = items.value(prediction, target)
    known = np.isfinite(value)
    return prediction[known], target[known], value[known]


def _derivatives(items: Items) -> Property:
    """Compare gradient and Hessian with differences of what they are derivatives of, between the breaks."""
    name, met = "derivatives", False
    for line in lines(items):
        s = grid(line, items)
        s = s[(np.abs(s) <= 10.0) & (np.abs(s) >= 1e-3) & (s > line.low + 1e-2) & (s < line.high - 1e-2)]
        step = 1e-4 * np.minimum(1.0, np.abs(s))
        target, edge = line.aims(s), line.direction
        for of, derivative in ((items.value, items.gradient), (items.gradient, items.hessian)):
            if of == items.gradient and np.count_nonzero(edge) > 1:
                continue  # a diagonal says nothing of other directions
            five = [of(line.at(s + share * step), target) for share in (-1.0, -0.5, 0.0, 0.5, 1.0)]
            five = [x @ edge if x.ndim > 1 else x for x in five]
            stated = [derivative(line.at(s + share * step), target) for share in (-1.0, 0.0, 1.0)]
            stated = [x @ edge if x.ndim > 1 else x for x in stated]
            found = stated[1]
            with np.errstate(invalid="ignore", over="ignore"):
                slopes = np.diff(five, axis=0) / (step / 2)
                slope = slopes.mean(0)
                size = 1.0 + np.abs(slope) + np.abs(found)
                change = np.maximum(np.ptp(slopes, axis=0), np.ptp(stated, axis=0))
                even = change < 1e-3 * size  # no break in between
                off = np.where(even & np.isfinite(size), np.abs(found - slope) / size, 0.0)
            met = met or bool((even & np.isfinite(size)).any())
            if len(off) and off.max() > 5e-3:
                worst = min(np.flatnonzero(off > 0.5 * off.max()), key=lambda i: len(text_of(s[i])))
                what = "gradient" if of == items.value else "Hessian"
                text = f"the {what} is {text_of(found[worst])}, the slope {text_of(slope[worst])}"
                witness = seen(line.at(s)[worst], line.target, text, stated=found[worst], slope=slope[worst])
                return Property(name, False, f"the {what} is not the derivative", witness=witness)
    if not met:
        return Property(name, None, "no finite slope was met")
    return Property(name, True, "gradient and Hessian are the derivatives of the value")


def _non_negative(items: Items) -> Property:
    prediction, target, value = _values(items)
    if not len(value):
        return Property("non-negative", None, "no finite value was met")
    least = value.min()
    if least >= -TOLERANCE:
        return Property("non-negative", True, f"the least value met is {text_of(max(least, 0.0))}")
    places = np.flatnonzero(value <= least * (1.0 - 1e-9))
    low = min(places, key=lambda at: len(text_of(prediction[at])) + len(text_of(target[at])))
    witness = seen(prediction[low], target[low], f"the value is {text_of(value[low])}", value=value[low])
    return Property("non-negative", False, "some values are below 0", witness=witness)


def _zero_at_perfection(items: Items) -> Property:
    name = "zero at perfection"
    target = items.certain()
    perfect = items.linked(target)
    if items.link is None or not items.domain.contains(perfect).all():
        return Property(name, None, "it is not known which prediction stands for a target")
    value = items.value(perfect, target)
    off = np.abs(value) > 0.0 if items.link != "identity" else ~(np.abs(value) <= TOLERANCE)
    if not off.any():
        return Property(name, True, "0 where the prediction equals its target")
    if np.isnan(value).all():
        return Property(name, None, "no finite value was met")
    worst = int(np.flatnonzero(off)[-1])
    text = "not 0 where the prediction equals its target"
    if np.all(np.abs(value) < 1e-3) and items.link != "identity":
        text = "0 only in the limit: no finite prediction is perfect"
    witness = seen(perfect[worst], target[worst], f"the value is {text_of(value[worst])}", value=value[worst])
    return Property(name, False, text, witness=witness)


def _differentiable(items: Items, breaks: list[Kink], slope: Peak) -> Property:
    name = "differentiable"
    if breaks:
        kink = min(breaks, key=lambda kink: (kink.value_jump is None, len(text_of(kink.prediction))))
        text = "the value jumps" if kink.value_jump else "the gradient jumps"
        return Property(name, False, text, witness=_broken(kink))
    for line in lines(items):
        ends = [end for end in (line.low, line.high) if math.isfinite(end)]
        ends = [end for end in ends if np.all(items.domain.contains(line.at(np.array([end]))))]
        for end in ends:
            prediction = line.at(np.array([end]))
            size = items.slope(prediction, line.aims(np.array([end])))[0]
            if not math.isfinite(size):
                witness = seen(prediction[0], line.target, "the gradient is infinite", gradient=math.inf)
                return Property(name, False, "the gradient is infinite at an end", witness=witness)
    if math.isnan(slope.number):
        return Property(name, None, "no finite gradient was met")
    for line in lines(items):
        s = grid(line, items)
        known = np.isfinite(items.slope(line.at(s), line.aims(s)))
        holes = 1 + np.flatnonzero(~known[1:-1] & known[:-2] & known[2:])
        if len(holes):
            place = line.at(s[holes[:1]])[0]
            witness = seen(place, line.target, "the gradient is no finite number", gradient=math.nan)
            return Property(name, False, "the gradient has a hole", witness=witness)
    return Property(name, True, "no jump of the gradient was found")


def _broken(kink: Kink) -> Witness:
    along = f" along {text_of(kink.line.direction)}" if np.ndim(kink.prediction) else ""
    if kink.value_jump is not None:
        left, right = kink.value_jump
        text = f"the value{along} is {text_of(left)} to the left and {text_of(right)} to the right"
    else:
        left, right = kink.left, kink.right
        text = f"the slope{along} is {signed(left)} to the left and {signed(right)} to the right"
    return seen(kink.prediction, kink.line.target, text, left=left, right=right)


def _monotonic(items: Items) -> Property:
    name = "monotonic"
    if items.link is None:
        return Property(name, None, "it is not known which prediction stands for a target")
    target, away = _ways(items)
    shares = np.unique(np.concatenate([np.linspace(0.0, 1.0, 41), 10.0 ** np.linspace(-9, 0, 37)]))
    path = [items.linked(target + share * (away - target)) for share in shares]
    value = np.array([items.value(step, target) for step in path])
    with np.errstate(invalid="ignore"):
        fall = (value[:-1] - value[1:]) / (1.0 + np.abs(value[1:]))
    if not np.isfinite(fall).any():
        return Property(name, None, "no finite value was met")
    fall = np.where(np.isfinite(fall), fall, 0.0)
    if fall.max() <= TOLERANCE:
        return Property(name, True, "the value never falls on the way away from a target")
    step, item = np.unravel_index(np.argmax(fall), fall.shape)
    before, after = value[step : step + 2, item]
    further = text_of(path[step + 1][item], 10)
    text = f"the value is {text_of(before)}; further away, at {further}, it is {text_of(after)}"
    witness = seen(path[step][item], target[item], text, before=before, after=after)
    return Property(name, False, "the value falls on the way away from a target", witness=witness)


def _ways(items: Items) -> tuple[np.ndarray, np.ndarray]:
    """Return certain targets, and for each a mean to go away to."""
    target = items.certain()
    if items.target_domain.members is not None:
        away = np.array([-50.0, -5.0, -2.0, 2.0, 5.0, 50.0])
    elif items.labels or items.rows:
        away = items.means(24, seed=11)
        if items.labels and not items.rows:
            away = np.concatenate([away, [items.target_domain.low, items.target_domain.high]])
    else:
        away = np.array([-1e4, -50.0, -7.0, -1.0, 1.0, 7.0, 50.0, 1e4])
        away = away[items.domain.contains(away)] if items.link == "identity" else away[away > 0]
    starts = np.repeat(target, len(away), axis=0)
    return starts, np.tile(away, (len(target), *[1] * (away.ndim - 1)))


def _smooth(items: Items, breaks: list[Kink]) -> Property:
    name = "smooth"
    if breaks:
        kink = min(breaks, key=lambda kink: len(text_of(kink.prediction)))
        return Property(name, False, "a jump has no curvature", math.inf, _broken(kink))
    bend = largest(items, items.bend)
    return _bounded(name, "curvature", bend)


def _lipschitz(breaks: list[Kink], slope: Peak) -> Property:
    torn = [kink for kink in breaks if kink.value_jump is not None]
    if torn:
        return Property("Lipschitz", False, "the value jumps", math.inf, _broken(torn[0]))
    return _bounded("Lipschitz", "gradient", slope)


def _bounded(name: str, what: str, peak: Peak) -> Property:
    if math.isnan(peak.number):
        return Property(name, None, f"no finite {what} was met")
    number = _rounded(peak.number)
    text = f"the {what} has size {text_of(peak.seen)}"
    witness = seen(peak.prediction, peak.target, text, **{what: peak.seen})
    if math.isinf(number):
        return Property(name, False, f"the {what} has no bound", number, witness)
    return Property(name, True, f"the largest {what} met is {text_of(number)}", number, witness)


def _rounded(number: float) -> float:
    """Return a bound without the rounding of its last digits."""
    short = float(f"{number:.10g}")
    return short if abs(short - number) <= 1e-11 * abs(number) else number


def _convex(items: Items) -> Property:
    worst: tuple[float, Any] = (0.0, None)
    met = False
    for line in lines(items):
        first, last = _chords(grid(line, items), 20 if items.rows else 40)
        middle = first + (last - first) / 2
        low, high, curve = (items.value(line.at(s), line.aims(s)) for s in (first, last, middle))
        with np.errstate(invalid="ignore", over="ignore"):
            chord = low / 2 + high / 2
            excess = (curve - chord) / (1.0 + np.abs(chord))
        met = met or bool(np.isfinite(excess).any())
        excess = np.where(np.isfinite(excess) & (excess > 0.1 * TOLERANCE), excess, 0.0)
        reads_well = (np.maximum(np.abs(first), np.abs(last)) <= 10.0) & (first * 4 % 1 == last * 4 % 1)
        rank = excess * np.where(reads_well & (first * 4 % 1 == 0.0), 1.0, 1e-3)
        at = int(np.argmax(rank))
        if rank[at] > worst[0]:
            worst = float(rank[at]), (line, first[at], last[at], middle[at], curve[at], chord[at])
    if not met:
        return Property("convex", None, "no finite value was met")
    if worst[1] is None:
        return Property("convex", True, "no chord lies below the curve")
    line, a, b, m, curve, chord = worst[1]
    (p, q, r), target = line.at(np.array([a, b, m])), line.target
    text = (
        f"between prediction {text_of(p)} and {text_of(q)}, target {text_of(target)}, the chord lies below "
        f"the curve: at {text_of(r)} it is {text_of(chord)}, the value {text_of(curve)}"
    )
    ends = plain([np.asarray(p).tolist(), np.asarray(q).tolist()])
    numbers = {"chord": float(chord), "value": float(curve)}
    witness = Witness(ends, plain(np.asarray(target).tolist()), numbers, text)
    return Property("convex", False, "a chord lies below the curve", witness=witness)


def _chords(s: np.ndarray, some: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of chords: short and long ones along a grid, and all between some of its points."""
    few = np.unique(np.concatenate([s[:: max(1, len(s) // some)], s[s == np.round(s)][:41]]))
    first, last = (few[i] for i in np.triu_indices(len(few), 1))
    steps = [2**k for k in range(int(math.log2(len(s))))]
    starts, ends = [s[:-step] for step in steps], [s[step:] for step in steps]
    return np.concatenate([first, *starts]), np.concatenate([last, *ends])


def _symmetric(items: Items) -> Property:
    name = "symmetric"
    if items.link is None:
        return Property(name, None, "it is not known which prediction stands for a target")
    mean, error = _errors(items)
    above, below = (items.linked(mean + e) for e in (error, -error))
    one, other = items.value(above, mean), items.value(below, mean)
    with np.errstate(invalid="ignore"):
        gap = np.abs(one - other) / (1.0 + np.abs(one))
    if not np.isfinite(gap).any():
        return Property(name, None, "no finite value was met")
    gap = np.where(np.isfinite(gap), gap, 0.0)
    if gap.max() <= TOLERANCE:
        return Property(name, True, "errors e and -e cost the same")
    at = int(np.argmax(gap > min(1e-3, gap.max() / 2)))
    text = f"the value is {text_of(one[at])}; as far on the other side, at {text_of(below[at])}, it is "
    text += text_of(other[at])
    witness = seen(above[at], mean[at], text, above=one[at], below=other[at])
    return Property(name, False, "errors e and -e cost differently", witness=witness)


def _errors(items: Items) -> tuple[np.ndarray, np.ndarray]:
    """Return means, and errors that may be added to them and taken away."""
    if items.labels and items.target_domain.members is None and not items.rows:
        low, span = items.target_domain.low, items.target_domain.high - items.target_domain.low
        mean = low + span * np.array([0.5, 0.5, 0.25, 0.25, 0.75, 0.75])
        return mean, span * np.array([0.25, 0.4, 0.125, 0.2, 0.125, 0.2])
    if items.classes:
        mean = items.means(60, seed=1)
        error = items.means(60, seed=2) - items.means(60, seed=3)
        room = np.minimum(mean, 1.0 - mean) / np.abs(error)
        return mean, 0.9 * error * room.min(-1, keepdims=True)
    if items.rows:
        return np.tile(items.certain(), (6, 1)), items.means(24, seed=2)[: 6 * len(items.certain())]
    size = np.array([1.0, 0.5, 1e-3, 0.01, 0.1, 3.0, 10.0, 100.0, 1e4])
    if items.domain.low == 0.0 or items.target_domain.low == 0.0:
        size = size[1:5]
    mean = items.certain()[items.certain() != 0.0] if items.target_domain.low == 0.0 else items.certain()
    if math.isfinite(items.domain.high):
        size = size[2:4]
    return np.repeat(mean, len(size)), np.tile(size, len(mean))


def _robust(items: Items) -> Property:
    finite = math.isfinite(items.domain.low + items.domain.high)
    reach = 0.25 * (items.domain.high - items.domain.low) if finite else REACH

    def pull(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        far = items.size(prediction - target) >= reach
        return np.where(far, items.slope(prediction, target), np.nan)

    peak = largest(items, pull)
    found = _bounded("robust", "gradient", peak)
    if found.holds is None:
        return found
    if not found.holds:
        text = "the pull of an outlier has no bound"
        return replace(found, text=text, number=None)
    back = not finite and _fades(items, peak.number)
    text = "the pull of an outlier " + ("goes back to 0: it is redescending" if back else "is bounded")
    return Property("robust", True, text)


def _fades(items: Items, most: float) -> bool:
    """Return whether the gradient goes back to 0 towards every end."""
    for line in lines(items):
        for end, sign in ((line.low, -1.0), (line.high, 1.0)):
            if math.isinf(end):
                s = sign * 10.0 ** np.linspace(9, 12, 4)
                if not items.slope(line.at(s), line.aims(s)).max() < 1e-3 * most:
                    return False
    return True


def lower_bound(items: Items) -> float:
    """Return 0 for a loss that is not negative; the least value, if it is that of every target; else -inf."""
    values = [items.value(line.at(s), line.aims(s)) for line in lines(items) for s in [grid(line, items)]]
    least = [float(np.min(value[np.isfinite(value)], initial=math.inf)) for value in values]
    if math.isinf(min(least)):
        return -math.inf
    if min(_values(items)[2]) >= -TOLERANCE:
        return 0.0
    if min(least) < -1e5 or max(least) - min(least) > 1e-2 * (1.0 + abs(min(least))):
        return -math.inf
    return -largest(items, lambda prediction, target: -items.value(prediction, target)).number


def is_flat(items: Items) -> bool:
    """Return whether the curvature is 0 almost everywhere."""
    for line in lines(items):
        s = grid(line, items)
        s = s[np.abs(s) <= 10.0][::7]
        if np.any(items.bend(line.at(s), line.aims(s)) != 0.0):
            return False
    return True
