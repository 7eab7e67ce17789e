"""A trace: the quantities of one step of backpropagation, in order, with their numbers and their checks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.core.errors import ParameterError, suggest
from amiss.tracing.checks import Check

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Nudge", "Trace", "TraceStep"]

PARTS = ("forward", "loss", "backward", "update")


@dataclass(frozen=True, eq=False)
class TraceStep:
    """One quantity of a step of backpropagation.

    Attributes:
        name: by which `Trace` finds it: z1, a1, error, loss, dL/da1, da1/dz1, dL/dz1, dL/dW1, new W1, ...
        formula: what it is, with layer numbers.
        value: the numbers.
        part: forward, loss, backward or update.
        check: what the numbers were compared with, and how far they are off; None where there is nothing.
        autodiff: alike, with the automatic differentiation of the framework that the model came from.
        note: what it is averaged over, and what else there is to know.
        by_row: whether the first axis counts the rows of the data.
        entrance: whether the loss enters here.
    """

    name: str
    formula: str
    value: np.ndarray
    part: str
    check: Check | None = None
    autodiff: Check | None = None
    note: str = ""
    by_row: bool = False
    entrance: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the numbers."""
        return np.shape(self.value)

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check is None or check.passed for check in (self.check, self.autodiff))

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain data; a number that is not finite is null."""
        plain = {name: getattr(self, name) for name in ("name", "part", "formula", "note", "entrance")}
        checks = {name: _check_to_dict(getattr(self, name)) for name in ("check", "autodiff")}
        return {**plain, "shape": list(self.shape), "value": _plain(self.value), **checks}


@dataclass(frozen=True)
class Nudge:
    """A weight moved by a little: what the gradient says of the loss, and what happens to it.

    Attributes:
        text: the nudge as it was asked for.
        by: what is added to the weight.
        gradient: the derivative of the loss by that weight.
        predicted: gradient * by.
        happened: the loss after it minus the loss before.
    """

    text: str
    by: float
    gradient: float
    predicted: float
    happened: float


@dataclass(frozen=True, eq=False)
class Trace:
    """One step of backpropagation.

    Attributes:
        steps: every quantity, in order.
        model: what was traced, in words.
        loss: the loss, in text.
        target: what the loss compares the prediction with, (rows, ...).
        row: the row whose numbers are shown.
        add: the constant that was added to the loss.
        plain: the trace without that constant; None if there is none.
        swapped: the trace with the other loss; None if there is none.
        nudge: what a change of one weight does; None if none was asked for.
        notes: what to know before reading.
    """

    steps: tuple[TraceStep, ...]
    model: str
    loss: str
    target: np.ndarray
    row: int = 0
    add: float = 0.0
    plain: "Trace | None" = None
    swapped: "Trace | None" = None
    nudge: Nudge | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows the data have."""
        return len(self.target)

    def __getitem__(self, name: str) -> TraceStep:
        """Return the step of a name."""
        for step in self.steps:
            if step.name == name:
                return step
        names = [step.name for step in self.steps]
        raise ParameterError(
            f"Trace: name must be one of {', '.join(names)}; got {name!r}.{suggest(str(name), names)}"
        )

    def __repr__(self) -> str:
        verdict = "every check passed" if self.passed else f"wrong from {self.wrong.name} on"  # type: ignore[union-attr]
        return f"<Trace of {self.model}, {self.loss}: {len(self.steps)} steps, {verdict}>"

    def __str__(self) -> str:
        return self.text()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    @property
    def wrong(self) -> TraceStep | None:
        """The first step whose check failed: what is computed there is wrong; None if all passed."""
        return next((step for step in self.steps if not step.passed), None)

    @property
    def passed(self) -> bool:
        """Whether every check passed, also those with the other loss and without the constant."""
        others = [trace for trace in (self.plain, self.swapped) if trace is not None]
        return self.wrong is None and all(trace.passed for trace in others)

    def same(self, step: TraceStep) -> bool | None:
        """Return whether a step has the very same numbers with the other loss; None if it is not there."""
        found = [other for other in self.swapped.steps if other.name == step.name] if self.swapped else []
        return np.array_equal(step.value, found[0].value, equal_nan=True) if found else None

    def text(self, rows: int | str | None = None, width: int = 80) -> str:
        """Return the trace as text.

        Args:
            rows: the row to show, or "all"; `row` by default.
            width: how many letters a line has.
        """
        from amiss.tracing.text import lines

        return "\n".join(text for text, _ in lines(self, rows, width))

    def markdown(self, rows: int | str | None = None) -> str:
        """Return the trace as a page in Markdown."""
        from amiss.tracing.text import markdown

        return markdown(self, rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the graph of the step for the row: values forward, gradients backward.

        Raises:
            BackendError: matplotlib is missing.
        """
        from amiss.tracing.picture import picture

        return picture(self, ax)

    def to_dict(self) -> dict[str, Any]:
        """Return the trace as plain data; a number that is not finite is null."""
        names = ("model", "loss", "rows", "row", "add", "passed")
        plain = {name: getattr(self, name) for name in names}
        plain["wrong"] = self.wrong.name if self.wrong else None
        plain["notes"] = list(self.notes)
        plain["nudge"] = None if self.nudge is None else {k: _plain(v) for k, v in vars(self.nudge).items()}
        plain["steps"] = [step.to_dict() | {"same": self.same(step)} for step in self.steps]
        for name in ("plain", "swapped"):
            trace = getattr(self, name)
            plain[name] = None if trace is None else trace.to_dict()
        return plain


def _check_to_dict(check: Check | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {name: _plain(value) for name, value in vars(check).items()} | {"passed": check.passed}


def _plain(value: Any) -> Any:
    """Return numbers as lists, and None for what is not finite."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return np.where(np.isfinite(array), array.astype(object), None).tolist()
    return array.tolist()
