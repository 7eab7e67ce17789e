"""Parameters of losses, and the sets of numbers that they, predictions and targets may come from."""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any

from amiss.core.errors import ParameterError, suggest

__all__ = [
    "CLASSES",
    "LOG_PROBABILITY",
    "NON_NEGATIVE",
    "NON_ZERO",
    "OPEN_UNIT",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "SHARE",
    "SIGNS",
    "Domain",
    "about",
    "check_fields",
    "option",
    "parameter",
    "setting",
]

_CHECK = "amiss.check"
_ABOUT = "amiss.about"


@dataclasses.dataclass(frozen=True)
class Domain:
    """An interval of numbers, or a few single ones.

    Args:
        text: how an error names it, after "must be".
        low: its lower end.
        high: its upper end.
        open_low: whether `low` itself is outside.
        open_high: whether `high` itself is outside.
        members: the only allowed numbers, if they are few.
        excluded: a single number inside that is not allowed.
        remedy: what to do with a number outside.

    Examples:
        >>> 0.0 in POSITIVE, 1.0 in PROBABILITY, 0.0 in SIGNS
        (False, True, False)
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    members: tuple[float, ...] | None = None
    excluded: float | None = None
    remedy: str = ""

    def __contains__(self, value: float) -> bool:
        return bool(self.contains(value))

    @property
    def everything(self) -> bool:
        """Whether no number is outside."""
        return self.members is None and self.low == -math.inf and self.high == math.inf

    def contains(self, x: Any) -> Any:
        """Return where x, a number or an array of any library, lies inside; NaN lies outside."""
        if self.members is not None:
            first, *others = self.members
            inside = x == first
            for member in others:
                inside = inside | (x == member)
            return inside
        above = x > self.low if self.open_low else x >= self.low
        below = x < self.high if self.open_high else x <= self.high
        return above & below if self.excluded is None else above & below & (x != self.excluded)


REAL = Domain("a real number")
POSITIVE = Domain("in (0, inf)", low=0.0, open_low=True, open_high=True)
NON_NEGATIVE = Domain("in [0, inf)", low=0.0, open_high=True)
NON_ZERO = Domain("a number other than 0", open_low=True, open_high=True, excluded=0.0)
OPEN_UNIT = Domain("in (0, 1)", low=0.0, high=1.0, open_low=True, open_high=True)
PROBABILITY = Domain(
    "in [0, 1]", low=0.0, high=1.0, remedy='If these are logits, construct the loss with input="logits".'
)
LOG_PROBABILITY = Domain(
    "at most 0, a log-probability",
    high=0.0,
    remedy='If these are logits, construct the loss with input="logits".',
)
SIGNS = Domain("-1 or +1", members=(-1.0, 1.0), remedy="Labels 0 and 1 become signs as 2 * target - 1.")
SHARE = Domain("in [0, 1]", low=0.0, high=1.0, remedy="A target row holds one probability per class.")
CLASSES = Domain(
    "in [0, 1]", low=0.0, high=1.0, remedy="Binary labels are 0 and 1; (target + 1) / 2 maps signs."
)


def parameter(
    default: float,
    *,
    domain: Domain,
    typical: tuple[float, float],
    symbol: str,
    note: str = "",
    neutral: bool = False,
) -> Any:
    """Declare a numeric parameter of a loss, checked once, at construction.

    Args:
        default: its value when none is given.
        domain: the numbers it may take.
        typical: the range that tests and plots draw from.
        symbol: its LaTeX.
        note: what the number means, if its name does not say it.
        neutral: whether the printed formula leaves it out at its default.
    """

    def check(owner: str, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ParameterError(
                f"{owner}: {name} must be a Python number {domain.text}; got {type(value).__name__}. "
                f"A parameter is fixed when the loss is built, so pass float(...) of it."
            )
        if not (math.isfinite(value) and float(value) in domain):
            raise ParameterError(f"{owner}: {name} must be {domain.text}; got {float(value)!r}.")
        return float(value)

    about = {"domain": domain, "typical": typical, "symbol": symbol, "note": note, "neutral": neutral}
    return dataclasses.field(default=default, metadata={_CHECK: check, _ABOUT: about})


def option(default: str, *choices: str) -> Any:
    """Declare a structural option, which chooses between formulas; the default is one of the choices."""

    def check(owner: str, name: str, value: Any) -> str:
        if value not in choices:
            raise ParameterError(
                f"{owner}: {name} must be one of {', '.join(map(repr, choices))}; got {value!r}."
                + suggest(str(value), choices)
            )
        return str(value)

    return dataclasses.field(default=default, metadata={_CHECK: check, _ABOUT: {"choices": choices}})


def setting(default: Any, check: Callable[[str, str, Any], Any]) -> Any:
    """Declare a field with a check of its own, which returns the value to store or raises ParameterError."""
    return dataclasses.field(default=default, metadata={_CHECK: check, _ABOUT: {}})


def check_fields(instance: Any) -> None:
    """Check every declared field of a frozen dataclass and store what the check returns."""
    for field in dataclasses.fields(instance):
        value = field.metadata[_CHECK](type(instance).__name__, field.name, getattr(instance, field.name))
        object.__setattr__(instance, field.name, value)


def about(field: "dataclasses.Field[Any]") -> dict[str, Any]:
    """Return what `parameter` or `option` declared of a field: domain, typical, symbol; or choices."""
    declared: dict[str, Any] = field.metadata[_ABOUT]
    return declared
