"""A trace of the reader's own code: a function that makes one step, and returns its arrays in order.

Names in such code cannot be believed: many call the derivative by z "dW". So each array is compared with the
derivative of the loss by every quantity of its shape, as finite differences find it, and is said to be the
multiple of it that it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amiss.core import Loss
from amiss.core.errors import AmissError, ParameterError
from amiss.naming import label_of
from amiss.tracing.checks import EPSILON, RELATIVE, Check, Slopes, slopes
from amiss.tracing.network import loss_steps, prediction_bounds
from amiss.tracing.source import Step
from amiss.tracing.steps import Nudge, Trace, TraceStep

__all__ = ["function_nudge", "function_trace"]

AGAINST = "finite difference of the loss"
UNKNOWN = "no multiple of a derivative of this loss by any array"
PREFIXES, SUFFIXES = ("d", "d_", "dL_d", "grad_", "g"), ("_grad", "_update", "_gradient")


@dataclass(frozen=True, eq=False)
class _Derivative:
    """The derivative of the loss by a quantity; NaN at a kink, and where nothing was measured."""

    name: str
    slope: np.ndarray
    unsure: np.ndarray
    kinks: int

    @classmethod
    def of(cls, name: str, found: Slopes) -> "_Derivative":
        return cls(name, np.where(found.low == found.high, found.low, np.nan), found.unsure, found.kinks)

    def multiple(self, claimed: np.ndarray) -> tuple[float, Check]:
        """Return which multiple of this derivative the numbers are nearest to, and how near they are."""
        known = np.isfinite(self.slope)
        slope, claims = self.slope[known], claimed[known]
        numbers = (len(claims), claimed.size, self.kinks)
        if not np.any(slope) and not np.any(claims):
            return 1.0, Check(AGAINST, 0.0, 0.0, *numbers)
        factor = float(claims @ slope / (slope @ slope)) if np.any(slope) else 0.0
        difference = np.abs(claims - factor * slope)
        size = abs(factor) * np.max(np.abs(slope), initial=0.0)
        allowed = RELATIVE * size + 10 * abs(factor) * self.unsure[known]
        allowed = np.where(allowed > 0.0, allowed, RELATIVE * np.max(np.abs(claims), initial=0.0) + 1e-300)
        first = int(np.argmax(difference / allowed))
        return factor, Check(AGAINST, float(difference[first]), float(allowed[first]), *numbers)


@dataclass(frozen=True, eq=False)
class _Run:
    """One run of the function, and what of it is what."""

    step: Step
    loss: Loss
    y: np.ndarray
    add: float
    arrays: dict[str, np.ndarray]
    forward: list[str]

    @property
    def prediction(self) -> str:
        return self.forward[-1]

    def cost(self, **changed: np.ndarray) -> float:
        """Return the loss with some weights changed."""
        return float(self.loss(self.step(weights=changed)[self.prediction], self.y)) + self.add

    def derivatives(self) -> list[_Derivative]:
        """Return the derivative of the loss by the prediction, what lies below it, and every weight."""
        output = self.arrays[self.prediction].copy()
        by_output = slopes(lambda: self._value(output), output, prediction_bounds(self.loss))
        found = [_Derivative.of(self.prediction, by_output)]
        felt = np.abs(found[0].slope * output)
        rounding = EPSILON * float(np.sum(felt, where=np.isfinite(felt)))
        for name in self.forward[-2::-1]:
            if self.step.moves(name) and self.arrays[name].ndim:
                shift = np.zeros(self.arrays[name].shape)
                cost = lambda name=name, shift=shift: self._value(self._moved(name, shift))  # noqa: E731
                found.append(_Derivative.of(name, slopes(cost, shift, rounding=rounding)))
        for name, weight in self.step.weights.items():
            moved = weight.copy()
            cost = lambda name=name, moved=moved: (self.cost(**{name: moved}), b"")  # noqa: E731
            found.append(_Derivative.of(name, slopes(cost, moved, rounding=rounding)))
        return found

    def _moved(self, name: str, shift: np.ndarray) -> np.ndarray:
        return self.step(shifts={name: shift})[self.prediction]

    def _value(self, output: np.ndarray) -> tuple[float, bytes]:
        return float(self.loss(output, self.y)) + self.add, b""


def function_trace(
    function: Callable[..., Any],
    loss: Loss,
    x: Any,
    y: Any,
    weights: Mapping[str, Any] | None,
    prediction: str | None,
    add: float,
) -> Trace:
    """Return the trace of a function that makes one step; see `trace`."""
    step = Step(function, x, y, weights)
    run = _run(step, loss, np.asarray(y), prediction, add)
    derivatives = run.derivatives()
    steps = [
        TraceStep(name, name, run.arrays[name], "forward", by_row=run.arrays[name].ndim == 2)
        for name in run.forward
    ]
    output = run.arrays[run.prediction]
    steps += loss_steps(loss, output, run.y, run.prediction, add)
    entered = False
    for name, array in run.arrays.items():
        if name in run.forward:
            continue
        made = _claim(run, derivatives, name, array, entered)
        entered = entered or made.entrance
        steps.append(made)
    steps += [
        _new_weight(derivatives, name, array - step.weights[name], array)
        for name, array in step.new_weights.items()
    ]
    steps = _blamed(steps, derivatives)
    notes = (*step.notes, f"{run.prediction} is what the loss compares with the target.")
    return Trace(tuple(steps), f"the function {step.name}", label_of(loss), run.y, add=add, notes=notes)


def _blamed(steps: list[TraceStep], derivatives: list[_Derivative]) -> list[TraceStep]:
    """Let the first array that is not what its name says be wrong too, if something after it is.

    Alone it may be a name that was chosen badly: many call the derivative by z "dW".
    """
    wrong = next((place for place, step in enumerate(steps) if not step.passed), 0)
    for place, step in enumerate(steps[:wrong]):
        said = _named(step.name, step.value, derivatives) if step.part == "backward" else []
        if said and not step.formula.endswith(f"∂L/∂{said[0].name}"):
            note = f"its name says that it is a derivative by {said[0].name}"
            return [
                *steps[:place],
                replace(step, check=said[0].multiple(step.value)[1], note=note),
                *steps[place + 1 :],
            ]
    return steps


def _named(name: str, array: np.ndarray, derivatives: list[_Derivative]) -> list[_Derivative]:
    """Return the derivatives, one or none, that an array says by its name and its shape to be."""
    return [d for d in derivatives if _says(name, d.name) and d.slope.shape == array.shape]


def _run(step: Step, loss: Loss, y: np.ndarray, prediction: str | None, add: float) -> _Run:
    """Run the function, and find its forward pass: what comes before the target is used."""
    arrays = step()
    if prediction is not None:
        if prediction not in arrays:
            raise ParameterError(f"trace: prediction must be one of {', '.join(arrays)}; got {prediction!r}.")
        names = list(arrays)
        forward = names[: names.index(prediction) + 1]
        loss(arrays[prediction], y)  # says what does not fit
        return _Run(step, loss, y, add, arrays, forward)
    other = step(target=np.roll(y, 1, axis=0))
    before = [
        name for name, array in arrays.items() if np.array_equal(array, other.get(name), equal_nan=True)
    ]
    if len(before) == len(arrays):
        raise ParameterError(
            "trace: y must have two rows or more that differ, so that the arrays before it are found; "
            "got others. Say which array the loss compares with y: prediction='A2'."
        )
    last = next((name for name in reversed(before) if _fits(loss, arrays[name], y)), None)
    if last is None:
        raise ParameterError(
            f"trace: {step.name} must return an array that {loss!r} compares with y of shape {y.shape}; got "
            f"{', '.join(f'{name} {arrays[name].shape}' for name in before)}. Say which: prediction='A2'."
        )
    forward = before[: before.index(last) + 1]
    return _Run(step, loss, y, add, arrays, forward)


def _fits(loss: Loss, array: np.ndarray, y: np.ndarray) -> bool:
    try:
        return array.ndim == 2 and bool(np.isfinite(loss(array, y)))
    except AmissError:
        return False


def _claim(
    run: _Run, derivatives: list[_Derivative], name: str, array: np.ndarray, entered: bool
) -> TraceStep:
    """Say what an array after the prediction is."""
    by_row = array.ndim == 2 and len(array) == len(run.y)
    if not array.ndim:
        note = _used(run, name)
        return TraceStep(name, f"{name}, a number", array, "backward" if entered else "loss", note=note)
    said = _named(name, array, derivatives)
    fitting = said + [d for d in derivatives if d.slope.shape == array.shape and d not in said]
    for derivative in fitting:
        factor, check = derivative.multiple(array)
        times = _factor(factor, run.arrays[run.prediction])
        if check.passed and factor != 0.0 and check.compared and (check.compared > 1 or times):
            times = times or f"{factor:.6g}"
            formula = f"{name} = {'' if times == '1' else times + ' · '}∂L/∂{derivative.name}"
            notes = ["the sign is turned: a step along it must be added"] * (factor < 0)
            if not entered and derivative.name != run.prediction:
                notes.append(f"the steps from {run.prediction} to {derivative.name} are in it")
            return TraceStep(
                name, formula, array, "backward", check, None, "; ".join(notes), by_row, not entered
            )
    for weight, old in run.step.weights.items():
        if old.shape == array.shape:
            change = _new_weight(derivatives, weight, array - old, array)
            if change.passed and change.check is not None and change.check.compared:
                return TraceStep(name, change.formula, array, "update", change.check)
    if said:
        check = said[0].multiple(array)[1]
        note = f"its name says that it is a derivative by {said[0].name}"
        note += "; it is no multiple of it" if not check.passed else ""
        return TraceStep(name, name, array, "backward", check, None, note, by_row)
    note = UNKNOWN if fitting else ""
    quantity = name[1:].lstrip("_")
    if name[0] == "d" and quantity and quantity not in {derivative.name for derivative in derivatives}:
        note += f"; there is no array {quantity} to tell: give it a line of its own" * bool(note)
    return TraceStep(name, name, array, "backward" if entered else "loss", note=note, by_row=by_row)


def _new_weight(derivatives: list[_Derivative], name: str, change: np.ndarray, new: np.ndarray) -> TraceStep:
    """Say by what a step moved a weight: by a multiple of the derivative, downhill, or it is wrong."""
    derivative = next(d for d in derivatives if d.name == name)
    factor, check = derivative.multiple(change)
    formula, note = f"{name} ← {name} − {-factor:.6g} · ∂L/∂{name}", ""
    if check.passed and check.compared and np.any(change) and factor > 0.0:
        check = Check(AGAINST + ", downhill", factor, 0.0, check.compared, check.of, check.kinks)
        formula, note = (
            f"{name} ← {name} + {factor:.6g} · ∂L/∂{name}",
            "the step goes uphill: the sign is turned",
        )
    elif not check.compared:
        formula = f"{name}, moved"
    elif not check.passed:
        formula = f"{name}, moved"
        note = "not along the derivative: a fault above, or a part of the step that the loss knows nothing of"
    return TraceStep(f"new {name}", formula, new, "update", check, note=note)


def _used(run: _Run, name: str) -> str:
    """Say whether anything below uses a number, by moving it."""
    if not run.step.moves(name):
        return ""
    moved = run.step(shifts={name: np.array(1.0)})
    same = [
        np.array_equal(array, moved[other], equal_nan=True)
        for other, array in run.arrays.items()
        if other != name
    ]
    weights = [np.array_equal(run.step.new_weights.get(n), w) for n, w in run.step.last_weights.items()]
    return (
        "moved by 1, and nothing below changes: it is only looked at" if all(same + weights) else "used below"
    )


def _says(name: str, quantity: str) -> bool:
    """Return whether the name of an array says that it is the derivative by a quantity."""
    names = {prefix + quantity for prefix in PREFIXES} | {quantity + suffix for suffix in SUFFIXES}
    return name.lower() in {spelling.lower() for spelling in names}


def _factor(factor: float, output: np.ndarray) -> str:
    """Return a factor as 1, 2, N/2 and the like, with N rows; "" if it is none of these."""
    plain = {"1": 1.0, "2": 2.0, "½": 0.5}
    counts = {"N": len(output), f"{output.size} (N × {output.shape[1]})": output.size}
    known = dict(plain)
    for count, number in counts.items():
        known |= {count: number, f"2·{count}": 2 * number, f"{count}/2": number / 2}
        known |= {f"1/{count}": 1 / number, f"2/{count}": 2 / number}
    for text, number in known.items():
        if abs(abs(factor) - number) <= 1e-6 * number:
            return ("−" if factor < 0 else "") + text
    return ""


def function_nudge(
    function: Callable[..., Any], loss: Loss, x: Any, y: Any, weights: Any, prediction: str | None, nudge: Any
) -> Nudge:
    """Return what a change of one weight of a function does; `nudge` reads it, given the weights."""
    step = Step(function, x, y, weights)
    run = _run(step, loss, np.asarray(y), prediction, 0.0)
    name, place, by, text = nudge(step.weights)

    def moved(shift: float) -> float:
        weight = step.weights[name].copy()
        weight[place] += shift
        return run.cost(**{name: weight})

    shift = np.zeros(1)
    found = slopes(lambda: (moved(float(shift[0])), b""), shift)
    gradient = float(found.low[0] + found.high[0]) / 2
    return Nudge(text, by, gradient, gradient * by, moved(by) - moved(0.0))
