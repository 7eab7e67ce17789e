"""Checks of the parameters that losses over classes share."""

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any

from amiss.core.errors import ParameterError, ShapeError

__all__ = ["check_axis", "check_class_weight", "check_classes", "check_ignore_index"]


def check_axis(owner: str, name: str, value: Any) -> int:
    """Return a whole number, or raise ParameterError."""
    return _whole(owner, name, value, "a whole number")


def check_ignore_index(owner: str, name: str, value: Any) -> int | None:
    """Return a whole number or None, or raise ParameterError."""
    return None if value is None else _whole(owner, name, value, "a whole number or None")


def check_class_weight(owner: str, name: str, value: Any) -> tuple[float, ...] | None:
    """Return non-negative finite numbers as a tuple, or None, or raise ParameterError."""
    if value is None:
        return None
    rule = "a sequence of non-negative finite Python numbers, one per class, not all 0"
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 0) == 1:
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ParameterError(f"{owner}: {name} must be {rule}; got {type(value).__name__}. Pass a tuple.")
    for index, number in enumerate(value):
        if not isinstance(number, numbers.Real) or not 0 <= float(number) < math.inf:
            raise ParameterError(f"{owner}: {name} must be {rule}; got {name}[{index}] = {number!r}.")
    if not any(value):
        raise ParameterError(f"{owner}: {name} must be {rule}; got only zeros.")
    return tuple(float(number) for number in value)


def check_classes(owner: str, class_weight: tuple[float, ...] | None, classes: int | None) -> None:
    """Raise ShapeError unless there is one class weight per class."""
    if class_weight is not None and classes is not None and len(class_weight) != classes:
        raise ShapeError(
            f"{owner}: class_weight must have one entry per class; got {len(class_weight)} entries for "
            f"{classes} classes."
        )


def _whole(owner: str, name: str, value: Any, rule: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ParameterError(f"{owner}: {name} must be {rule}; got {value!r}.") from None
