"""What a check of a property finds: a yes, a no with a witness, and the words for both."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Property", "Witness", "plain", "seen", "signed", "text_of"]


@dataclass(frozen=True)
class Witness:
    """A point that proves that a property fails, or that a bound is reached.

    Attributes:
        prediction: a number, or a row; of a chord, its two ends.
        target: the target there.
        numbers: what was found there, by name.
        text: the same as a sentence.
    """

    prediction: Any
    target: Any
    numbers: dict[str, float]
    text: str


@dataclass(frozen=True)
class Property:
    """One property of a loss.

    Attributes:
        name: such as "convex".
        holds: True, False, or None where that cannot be told.
        text: what was found, in one line.
        number: the bound, of "smooth" and "Lipschitz"; inf where there is none.
        witness: where it fails, the point that proves it.
        claim: what `loss.facts` says: yes or no, or a bound; None if it says nothing of its own.
        agrees: whether measurement and claim agree; None if there is nothing to compare.
    """

    name: str
    holds: bool | None
    text: str
    number: float | None = None
    witness: Witness | None = None
    claim: bool | float | None = None
    agrees: bool | None = None


def text_of(x: Any, digits: int = 6) -> str:
    """Write a number, or a row of numbers, in short."""
    if np.ndim(x):
        return "(" + ", ".join(text_of(each, digits) for each in np.asarray(x)) + ")"
    return f"{float(x) + 0.0:.{digits}g}"


def signed(x: float) -> str:
    """Write a number with its sign."""
    return "0" if abs(x) < 1e-12 else f"{x:+.6g}"


def plain(x: Any) -> Any:
    """Return plain data for JSON; what is infinite is written "inf"."""
    if isinstance(x, dict):
        return {name: plain(each) for name, each in x.items()}
    if isinstance(x, list | tuple | np.ndarray):
        return [plain(each) for each in x]
    if isinstance(x, float | np.floating):
        return float(x) if math.isfinite(x) else str(float(x))
    return x.item() if isinstance(x, np.generic) else x


def _point(prediction: Any, target: Any) -> str:
    if np.array_equal(prediction, target):
        return f"at prediction = target = {text_of(target)}"
    if np.ndim(target) == 0 and text_of(prediction) == text_of(target):  # near it, but not at it
        sign, error = "+" if prediction > target else "-", text_of(abs(prediction - target))
        return f"at prediction = target {sign} {error}, target {text_of(target)},"
    return f"at prediction {text_of(prediction)}, target {text_of(target)}"


def seen(prediction: Any, target: Any, text: str, **numbers: float) -> Witness:
    """Return a witness whose sentence begins with its place."""
    where = _point(prediction, target)
    shown = {name: float(number) for name, number in numbers.items()}
    return Witness(plain(np.asarray(prediction).tolist()), plain(np.asarray(target).tolist()), shown,
                   f"{where} {text}")  # fmt: skip
