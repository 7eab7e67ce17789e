"""What differs between two computations of one step: by how much, by which factor, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.core.items import ClassItems
from amiss.parities.case import Case, Step
from amiss.parities.factors import Factor, constant_ratio, factor_named
from amiss.parities.faults import faults

__all__ = ["Difference", "Row", "allowed", "described", "first_difference", "roundings", "row_of"]

ROUNDINGS = 1024
"""How many roundings of the largest term in a quantity two sides may differ by."""

ALLOWED = {
    "float64": ROUNDINGS * 2.0**-52,
    "float32": ROUNDINGS * 2.0**-23,
    "float16": 2.0**-5,
    "bfloat16": 2.0**-3,
}
"""The relative difference that is rounding, by the dtype that a side computes in."""


@dataclass(frozen=True)
class Row:
    """One quantity on all sides.

    Attributes:
        quantity: its name, such as "dW2".
        shape: of the first side that has it.
        size: its largest absolute value there; of the loss its value.
        differences: for each side the largest difference from the first side that has it, relative to the
            largest number in the two; None where the side has no such quantity, inf where shapes differ.
        agrees: whether all sides agree, to what rounding may do in the coarser dtype of two sides.
    """

    quantity: str
    shape: tuple[int, ...]
    size: float
    differences: dict[str, float | None]
    agrees: bool


@dataclass(frozen=True)
class Difference:
    """The first quantity that differs.

    Attributes:
        quantity: its name, such as "dW2".
        sides: the side that it is compared with, and the side that differs.
        factor: the second divided by the first where that is one number, else None; of updated weights it is
            that of their changes.
        name: what that factor is, such as "1/K, K = 3 classes", or "".
        relative: the largest relative difference.
        reason: what is known to make this difference, or "".
    """

    quantity: str
    sides: tuple[str, str]
    factor: float | None
    name: str
    relative: float
    reason: str

    @property
    def sentence(self) -> str:
        """The difference in plain words."""
        base, other = self.sides
        what = described(self.quantity)
        if self.factor is not None:
            change = "the change of " if self.quantity.endswith("_new") else ""
            name = f" (= {self.name})" if self.name else ""
            told = f"{change}{what} in {other} is {self.factor:.6g} times that in {base}{name}"
        else:
            told = f"{what} in {other} differs from that in {base} {_by(self.relative)}"
        reason = self.reason or "no known reason"
        return f"The first difference: {told}. Reason: {reason}."


def _by(relative: float) -> str:
    if not math.isfinite(relative):
        return "in more than size"
    if relative >= 1.0:
        return f"by up to {relative:.2g} times its largest number"
    size = f"{100 * relative:.2g} %" if relative >= 1e-3 else f"{relative:.2g}"
    return f"by up to {size} of its largest number"


def described(quantity: str) -> str:
    """Return a name of a quantity as it is written in text.

    Examples:
        >>> [described(name) for name in ("doutput", "delta2", "dW1", "b1_new", "loss")]
        ['dL/doutput', 'delta2 = dL/dz2', 'dL/dW1', 'b1 after the step', 'loss']
    """
    if quantity.startswith("delta"):
        return f"{quantity} = dL/dz{quantity.removeprefix('delta')}"
    if quantity.endswith("_new"):
        return f"{quantity.removesuffix('_new')} after the step"
    return f"dL/{quantity}" if quantity.startswith("d") else quantity


# --- how much ----------------------------------------------------------------------------------------------
def allowed(*steps: Step) -> float:
    """Return the relative difference that is rounding, in the coarsest dtype of some steps."""
    return max(ALLOWED.get(step.dtype, ALLOWED["float16"]) for step in steps)


def roundings(case: Case, step: Step) -> dict[str, Any]:
    """Return, for each quantity, the size of the terms that it sums: each of them may be rounded.

    For updated weights it is a function of the allowed relative difference: what the optimiser makes of the
    rounding of a gradient, which for Adam is much where a gradient is nearly 0.
    """
    network, q = case.network, step.quantities
    a = [np.abs(a) for a in network.forward(case.x)]
    sizes: dict[str, Any] = {}
    for n, layer in enumerate(network.layers, start=1):
        delta = np.abs(q[f"delta{n}"])
        sizes[f"dW{n}"] = float((a[n - 1].T @ delta).max())
        sizes[f"db{n}"] = float(delta.sum(axis=0).max())
        if n < len(network.layers):
            sizes[f"delta{n}"] = float((np.abs(q[f"delta{n + 1}"]) @ np.abs(q[f"W{n + 1}"]).T).max())
        for name in ("W", "b")[: 1 + layer.bias]:
            sizes[f"{name}{n}_new"] = _updateroundings(
                case, q[f"{name}{n}"], q[f"d{name}{n}"], sizes[f"d{name}{n}"]
            )
    return sizes


def _updateroundings(case: Case, weight: np.ndarray, gradient: np.ndarray, size: float) -> Any:
    def spread(allowed: float) -> np.ndarray:
        ends = []
        for shift in (-allowed * size, 0.0, allowed * size):
            moved = weight.astype(np.float64)
            case.optimizer.start(moved.reshape(-1), (gradient + shift).astype(np.float64).reshape(-1))()
            ends.append(moved)
        return np.max(ends, axis=0) - np.min(ends, axis=0)

    return spread


def _agree(name: str, ours: np.ndarray, theirs: np.ndarray, allowed: float, slack: Mapping) -> bool:
    ours, theirs = _aligned(ours, theirs)
    if ours.shape != theirs.shape or not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return False
    size, extra = max(_largest(ours), _largest(theirs)), slack.get(name, 0.0)
    if callable(extra):
        extra = extra(allowed).reshape(ours.shape)
    else:
        size, extra = max(size, extra), 0.0
    with np.errstate(invalid="ignore"):
        near = np.abs(ours - theirs) <= allowed * size + extra
    return bool(np.all(near | (ours == theirs) | np.isnan(ours)))


def _aligned(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in one shape, if they differ in axes of length 1 only, as b does in (1, K) and (K,)."""
    bare = [tuple(n for n in array.shape if n != 1) for array in (ours, theirs)]
    return (ours, theirs.reshape(ours.shape)) if bare[0] == bare[1] else (ours, theirs)


def _largest(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size else 0.0


def _relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    ours, theirs = _aligned(ours, theirs)
    if ours.shape != theirs.shape:
        return math.inf
    size = max(_largest(ours), _largest(theirs))
    with np.errstate(invalid="ignore"):
        gap = np.abs(np.where(ours == theirs, 0.0, ours - theirs))
    worst = float(gap.max()) if gap.size else 0.0
    return 0.0 if worst == 0 else worst / size if math.isfinite(worst) and size else math.inf


def _alike(name: str, base: Step, other: Step, slack: Mapping) -> bool:
    """Return whether a quantity that two steps have agrees."""
    bound = allowed(base, other)
    if _agree(name, base.quantities[name], other.quantities[name], bound, slack):
        return True
    # Keras' log-cosh subtracts ln 2 in single precision: no gradient knows of a constant that was rounded.
    near = _relative(base.quantities[name], other.quantities[name]) < 2.0**-23
    return name == "loss" and near and _gradients_agree(base, other, bound, slack)


def row_of(name: str, steps: dict[str, Step], slack: Mapping) -> Row | None:
    """Compare a quantity over all sides that have it; None if none has."""
    having = {side: step.quantities[name] for side, step in steps.items() if name in step.quantities}
    if not having:
        return None
    base = next(iter(having))
    ours = having[base]
    relatives = {side: _relative(ours, having[side]) if side in having else None for side in steps}
    agrees = all(_alike(name, steps[base], steps[side], slack) for side in having)
    size = float(ours) if ours.ndim == 0 else _largest(ours)
    return Row(name, ours.shape, size, relatives, agrees)


# --- why ---------------------------------------------------------------------------------------------------
def first_difference(
    row: Row, case: Case, steps: dict[str, Step], reference: Step, slack: Mapping
) -> Difference:
    """Return what is to be said of the first row in which two sides differ.

    `reference` is the step of the network from scratch: whoever differs from it is the one to explain.
    """
    name = row.quantity
    having = [side for side, relative in row.differences.items() if relative is not None]
    base = having[0]

    ours = steps[base].quantities[name]
    different = [side for side in having[1:] if not _alike(name, steps[base], steps[side], slack)]
    other = different[0]
    bound = allowed(steps[base], steps[other])
    theirs = steps[other].quantities[name]
    factor, named, reason = _by_numbers(name, ours, theirs, case, steps[base], bound)
    at_base = _alike(name, reference, steps[other], slack) and not _alike(name, reference, steps[base], slack)
    odd = base if at_base else other
    if not reason:
        reason = _by_faults(name, steps[odd], case, bound, slack)
        factor = None if ours.ndim == 0 and not named else factor
    if reason and at_base:
        reason = f"in {base}: {reason}"
    if name == "loss" and _gradients_agree(steps[base], steps[other], bound, slack):
        known = f"{reason}; " if reason else ""
        reason = f"{known}the gradients agree: only the number that is printed is another one"
    if not reason and name == "output":
        reason = (
            "unknown; weights, biases or activations are other ones (give W1, b1, ... too to compare them)"
        )
    if len(different) > 1:
        reason = f"{reason or 'unknown'} (it also differs in {', '.join(different[1:])})"
    return Difference(name, (base, other), factor, named, row.differences[other] or 0.0, reason)


def _by_numbers(
    name: str, ours: np.ndarray, theirs: np.ndarray, case: Case, base: Step, bound: float
) -> tuple[float | None, str, str]:
    """Return the factor, its name, and the reason, as far as the two arrays alone tell them."""
    ours, theirs = _aligned(ours, theirs)
    reason = ""
    if ours.ndim == 2 and theirs.shape == ours.T.shape and _agree("", ours.T, theirs, bound, {}):
        reason = "it is transposed"
    elif ours.shape != theirs.shape:
        unreduced = " (one number per item: it is not reduced)" if name == "loss" else ""
        reason = f"the shape is {theirs.shape}, not {ours.shape}{unreduced}"
    elif name[0] in "Wb" and not name.endswith("_new"):
        what = "it is all zeros: left out, or" if not theirs.any() else "the weights were not copied:"
        reason = f"{what} another initialisation (copy_weights=True copies the weights)"
    if reason:
        return None, "", reason
    if name.endswith("_new"):
        return _by_moves(ours, theirs, case, base.quantities.get(name.removesuffix("_new")), bound)
    ratio = constant_ratio(ours, theirs, bound)
    found = None if ratio is None else _named(ratio, case, bound)
    if ratio == 0.0:
        return 0.0, "", "it is 0 throughout: no gradient arrives"
    return (ratio, "", "") if found is None else (ratio, found.name, found.reason)


def _by_moves(
    ours: np.ndarray, theirs: np.ndarray, case: Case, before: np.ndarray | None, bound: float
) -> tuple[float | None, str, str]:
    """Return the same of updated weights, whose changes are compared."""
    if before is None:
        return None, "", ""
    rate, size = case.optimizer.learning_rate, _largest(before)
    moves, gap = (ours - before, theirs - before), theirs - ours
    noise = bound * (1.0 + size / max(_largest(moves[0]), 1e-300))
    if _largest(moves[1]) <= bound * size:
        return 0.0, "", "it was not updated"
    ratio = constant_ratio(*moves, noise) if noise < 0.1 else None
    if ratio is not None:
        named = _named(ratio, case, noise)
        sign = "the gradient is added, not subtracted" if ratio < 0 else ""
        faster = (
            f"the learning rate is {rate * abs(ratio):.4g}, not {rate:g}"
            if abs(abs(ratio) - 1) > noise
            else ""
        )
        return ratio, named.name if named else "", ", and ".join(said for said in (sign, faster) if said)
    noise = bound * (1.0 + size / max(_largest(gap), 1e-300))
    decay = constant_ratio(before, gap, noise) if noise < 0.1 else None
    return None, "", "" if decay is None else f"weight decay of {-decay / rate:.4g}"


def _by_faults(name: str, odd: Step, case: Case, bound: float, slack: Mapping) -> str:
    """Return the fault that explains a quantity of a step, and as many of the others as any; or ""."""
    best, most, value = "", 0, odd.quantities[name]
    for reason, step in faults(case):
        made = step.quantities[name]
        extra = ""
        if not _agree(name, made, value, bound, slack):
            made, given = _aligned(made, value)
            ratio = (
                constant_ratio(made, given, bound) if made.size > 1 and made.shape == given.shape else None
            )
            factor = None if not ratio or name.endswith("_new") else _named(ratio, case, bound)
            if factor is None:
                continue
            extra = f"; and {factor.name}: {factor.reason}"
        like = (
            0.5
            if extra
            else sum(
                _agree(other, step.quantities[other], theirs, bound, slack)
                for other, theirs in odd.quantities.items()
            )
        )
        if like > most:
            best, most = reason + extra, like
    return best


def _named(ratio: float, case: Case, bound: float) -> Factor | None:
    noun = "classes" if isinstance(case.loss, ClassItems) else "outputs"
    return factor_named(ratio, len(case.x), case.network.layers[-1].outputs, noun, max(bound, 1e-12))


def _gradients_agree(base: Step, other: Step, bound: float, slack: Mapping) -> bool:
    both = [n for n in base.quantities if n.startswith("d") and n in other.quantities]
    return bool(both) and all(_agree(n, base.quantities[n], other.quantities[n], bound, slack) for n in both)
