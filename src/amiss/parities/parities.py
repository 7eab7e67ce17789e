"""Parity: one step of one network in several frameworks, and the first quantity that differs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from amiss.core.errors import DomainError, ParameterError, ShapeError, suggest
from amiss.core.items import ClassItems
from amiss.explain.models import as_network, library_of
from amiss.network import SGD, Adam, Network
from amiss.parities.case import Case, Step, absent, comparable, in_double, names_of, needed
from amiss.parities.differences import (
    Difference,
    Row,
    allowed,
    described,
    first_difference,
    roundings,
    row_of,
)
from amiss.parities.frameworks import FRAMEWORKS, numpy_step, step_of_torch
from amiss.parities.keras_step import step_of_keras

__all__ = ["Difference", "Parity", "Row", "parity"]


@dataclass(frozen=True)
class Parity:
    """What several sides made of one step.

    Attributes:
        title: the network, the loss and the optimiser.
        sides: their names.
        rows: one for each quantity, in the order in which they are computed.
        first: the first difference, or None.
        notes: what else is to be known.
    """

    title: str
    sides: tuple[str, ...]
    rows: tuple[Row, ...]
    first: Difference | None
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all sides agree in every quantity."""
        return self.first is None

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        if self.first is not None:
            return self.first.sentence
        return f"{', '.join(self.sides[:-1])} and {self.sides[-1]} agree in all {len(self.rows)} quantities."

    def text(self) -> str:
        """Return the table of quantities and sides, the sentence and the notes."""
        head = ("quantity", "size", *self.sides[1:])
        table = [head]
        for row in self.rows:
            cells = [_cell(row.differences[side]) for side in self.sides[1:]]
            mark = "" if row.agrees else "  <-- differs"
            table.append((described(row.quantity), f"{row.size:.5g}", *cells, mark))
        widths = [max(len(line[column]) for line in table) for column in range(len(head))]
        lines = [self.title, ""]
        for line in table:
            cells = [
                line[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=False)),
            ]
            lines.append("  ".join(cells) + (line[len(head)] if len(line) > len(head) else ""))
        about = f"size: the largest number in {self.sides[0]}; then the largest difference from it, relative."
        return "\n".join([*lines, "", about, *(f"Note: {note}" for note in self.notes), "", self.sentence])

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data; what is infinite is None."""
        first = self.first
        return {
            "title": self.title,
            "agrees": self.agrees,
            "sides": list(self.sides),
            "first": None
            if first is None
            else {
                "quantity": first.quantity,
                "sides": list(first.sides),
                "factor": first.factor,
                "factor_name": first.name or None,
                "relative_difference": _plain(first.relative),
                "reason": first.reason or None,
            },
            "sentence": self.sentence,
            "rows": [
                {
                    "quantity": row.quantity,
                    "shape": list(row.shape),
                    "size": _plain(row.size),
                    "agrees": row.agrees,
                    "differences": {side: _plain(relative) for side, relative in row.differences.items()},
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def parity(
    network: Any,
    x: Any,
    y: Any,
    loss: Any,
    sides: Sequence[Any] | Mapping[str, Any] | None = None,
    optimizer: SGD | Adam | None = None,
    dtype: str = "float64",
    copy_weights: bool = False,
) -> Parity:
    """Run one step of a network on several sides; name the first quantity that differs, and its factor.

    A side is one of

    - "numpy", "torch", "keras", "jax": the network is built there, with a copy of its weights, of the
      framework's own layers, loss and optimiser.
    - a tuple (torch model, its loss function, its optimiser), or a compiled Keras model: yours, as it is. Its
      layers are those that are Linear, or Dense. It is left as it was.
    - a function of (weights, x, y), your own code, with weights [W1, b1, W2, ...] as NumPy arrays of shape
      (inputs, outputs). It returns a dictionary of some of the quantities, or the loss; of a loss computed by
      JAX the gradient is taken.
    - a dictionary of quantities.

    The names of the quantities, in the order in which they are compared: W1, b1, ... (before the step),
    output, loss, doutput (dL/doutput), delta2, delta1 (dL/dz, from the last layer), dW2, db2, dW1, db1, and
    W1_new, b1_new, ... (after it). Behind a softmax, whose rows sum to 1, each row of doutput is taken less
    its mean, as the rest has no effect.

    Args:
        network: A `Network`, or a Sequential of PyTorch or Keras.
        x: Data, of shape (items, inputs).
        y: Targets, as the loss takes them.
        loss: A loss such as `amiss.CrossEntropy()`. Each framework computes its own, by the names that the
            loss states; where it has none, a note says so and it computes that of amiss.
        sides: Two or more; the first is what the others are compared with. A mapping gives them names. By
            default those of the four frameworks that are installed.
        optimizer: `SGD` or `Adam`, by default `SGD(0.1)`.
        dtype: What the four frameworks compute in. What differs no more than rounding may, in the coarser
            dtype of two sides, agrees.
        copy_weights: Whether models of yours get the network's weights first.

    Raises:
        ParameterError, ShapeError, DomainError, DTypeError: An argument is not as described.
        BackendError: A framework that was asked for is not installed.

    Examples:
        >>> import amiss
        >>> from amiss.network import Dense, Network
        >>> network = Network([Dense(1, 1, bias=False)])
        >>> network.weights = [[[2.0]]]
        >>> def mine(weights, x, y):  # half the squared error, and a gradient to match
        ...     error = x @ weights[0] - y
        ...     return {"output": x @ weights[0], "loss": np.mean(error**2) / 2}
        >>> found = parity(network, [[1.0], [3.0]], [[1.0], [7.0]], amiss.SquaredError(), ["numpy", mine])
        >>> found.first.quantity, found.first.factor, found.first.sides  # (1 + 1) / 2 against half of it
        ('loss', 0.5, ('numpy', 'mine'))
    """
    case = _case(network, x, y, loss, SGD(0.1) if optimizer is None else optimizer, dtype)
    given, notes = _sides(sides)
    reference = numpy_step(case)  # first, as its errors say what is wrong with the data
    steps = {name: _step(name, side, case, copy_weights) for name, side in given.items()}
    slack = roundings(case, reference)
    rows = tuple(row for name in names_of(case.network) if (row := row_of(name, steps, slack)) is not None)
    broken = next((row for row in rows if not row.agrees), None)
    first = None if broken is None else first_difference(broken, case, steps, reference, slack)
    for name, step in steps.items():
        notes += [f"{name}: {note}" for note in step.notes]
        if step.dtype != dtype:
            notes.append(
                f"{name} computes in {step.dtype}: differences up to {allowed(step):.0e} are rounding."
            )
    layers = [f"-> {layer.outputs} {layer.activation}" for layer in case.network.layers]
    told = [" ".join([str(case.network.layers[0].inputs), *layers]), _short(loss), _short(case.optimizer)]
    return Parity(f"{'; '.join(told)}; {len(case.x)} rows", tuple(steps), rows, first, tuple(notes))


def _short(value: Any) -> str:
    """Write a loss or an optimiser without the settings that are at their defaults."""
    if hasattr(value, "parts"):
        return " + ".join(f"{factor!r} * {_short(term)}" for factor, term in value.parts)
    if not is_dataclass(value):
        return repr(value)
    told = [(field, getattr(value, field.name)) for field in fields(value)]
    given = [f"{field.name}={setting!r}" for field, setting in told if setting != field.default]
    return f"{type(value).__name__}({', '.join(given)})"


# --- what is given -----------------------------------------------------------------------------------------
def _case(network: Any, x: Any, y: Any, loss: Any, optimizer: Any, dtype: str) -> Case:
    if dtype not in ("float64", "float32"):
        raise ParameterError(f"parity: dtype must be 'float64' or 'float32'; got {dtype!r}.")
    if isinstance(loss, type) or not hasattr(loss, "value_and_gradient"):
        raise ParameterError(f"parity: loss must be a loss such as amiss.CrossEntropy(); got {loss!r}.")
    if not isinstance(optimizer, SGD | Adam):
        raise ParameterError(f"parity: optimizer must be SGD(...) or Adam(...); got {optimizer!r}.")
    given = as_network(network)
    network = Network(given.layers, 0, dtype, given.scale)
    network.weights = given.weights
    x, y = network.check(x), np.asarray(y)
    if not len(x) or y.shape[:1] != x.shape[:1]:
        raise ShapeError(
            f"parity: x and y must have the same items, one or more; got {x.shape} and {y.shape}."
        )
    if y.dtype.kind not in "fiub":
        raise ParameterError(f"parity: y must hold numbers; got {y.dtype}. Number the classes from 0.")
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            raise DomainError(f"parity: {name} must hold finite numbers. Drop or fill the rows that do not.")
    if network.layers[-1].outputs == 1 and y.ndim == 1 and not isinstance(loss, ClassItems):
        raise ShapeError(
            f"parity: y must have shape ({len(y)}, 1) for one output; got {y.shape}. Write y[:, None]."
        )
    y = y.astype(dtype) if y.dtype.kind in "fb" else y.astype(np.int64)
    return Case(network, x, y, loss, optimizer)


def _sides(sides: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the sides by name, and what is to be said of those that are missing."""
    if sides is None:
        missing = {name: absent(name) for name in FRAMEWORKS}
        found = {name: name for name in FRAMEWORKS if not missing[name]}
        if len(found) < 2:
            needed("torch")
        return found, [text for text in missing.values() if text]
    if isinstance(sides, str) or not isinstance(sides, Sequence | Mapping) or len(sides) < 2:
        raise ParameterError(f"parity: sides must be two or more, as in ('numpy', 'torch'); got {sides!r}.")
    if isinstance(sides, Mapping):
        return dict(sides), []
    named: dict[str, Any] = {}
    for side in sides:
        name = _name(side)
        if name in named:
            name = next(f"{name} {n}" for n in itertools.count(2) if f"{name} {n}" not in named)
        named[name] = side
    return named, []


def _name(side: Any) -> str:
    if isinstance(side, str):
        return side
    if isinstance(side, Mapping):
        return "theirs"
    library = library_of(side[0] if isinstance(side, tuple) and side else side)
    name = getattr(side, "__name__", "")
    return f"my {library}" if library else name if name.isidentifier() else "mine"  # and no <lambda>


def _step(name: str, side: Any, case: Case, copy_weights: bool) -> Step:
    """Make the step of a side, whatever kind of side it is."""
    weights = case.network.weights if copy_weights else None
    if isinstance(side, str) and side in FRAMEWORKS:
        step = FRAMEWORKS[side](case)
    elif isinstance(side, Mapping):
        step = _given(name, side, case)
    elif isinstance(side, tuple) and len(side) == 3 and library_of(side[0]) == "torch":
        step = _checked(name, step_of_torch(*side, case.x, case.y, weights=weights), case)
    elif library_of(side) == "keras":
        step = _checked(name, step_of_keras(side, case.x, case.target, weights=weights), case)
    elif callable(side) and library_of(side) is None:
        step = _of_function(name, side, case)
    else:
        got = repr(side) if isinstance(side, str) else type(side).__name__
        hint = suggest(side, FRAMEWORKS) if isinstance(side, str) else ""
        raise ParameterError(
            f"parity: a side must be {', '.join(FRAMEWORKS)}, a tuple (torch model, loss, optimiser), a "
            f"compiled Keras model, a function of (weights, x, y), or a dictionary; got {got}.{hint}"
        )
    return replace(step, quantities=comparable(case.network, step.quantities))


def _of_function(name: str, side: Any, case: Case) -> Step:
    found = side(case.network.weights, case.x.copy(), case.y.copy())
    if type(found).__module__.startswith("jax"):
        found = _by_jax(side, case)
    return _given(name, found if isinstance(found, Mapping) else {"loss": found}, case)


def _by_jax(loss: Any, case: Case) -> dict[str, Any]:
    """Return a loss written in JAX, and its derivatives by the weights."""
    jax = needed("jax")
    with in_double(jax, case.network.dtype == "float64"):
        weights = [jax.numpy.asarray(weight) for weight in case.network.weights]
        value, gradient = jax.value_and_grad(loss)(weights, case.x, case.y)
    names = [name for name in names_of(case.network) if name[:2] in ("dW", "db")]
    order = [f"d{name}" for name in names_of(case.network)[: len(weights)]]
    return {"loss": value} | {name: np.asarray(gradient[order.index(name)]) for name in names}


def _given(name: str, quantities: Mapping, case: Case) -> Step:
    """Return quantities that somebody computed, as a step."""
    known, found = names_of(case.network), {}
    for quantity, value in quantities.items():
        if quantity not in known:
            raise ParameterError(
                f"parity: the quantities of {name} must be named as in {', '.join(known)}; got {quantity!r}."
                f"{suggest(str(quantity), known)}"
            )
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise ParameterError(f"parity: {quantity} of {name} must hold real numbers; got {array.dtype}.")
        found[quantity] = array
    if not found:
        raise ParameterError(f"parity: {name} must have a quantity or more, such as loss or dW1; got none.")
    dtype = "float32" if _single(list(found.values())) else "float64"
    return Step({n: v.astype(np.float64) for n, v in found.items()}, dtype)


def _single(arrays: list[np.ndarray]) -> bool:
    """Return whether numbers were computed in single precision, whatever they are stored in now.

    A number of a few bits, such as 0.5, says nothing of that.
    """
    if any(array.dtype.kind == "f" and array.dtype.itemsize < 8 for array in arrays):
        return True
    flat = np.concatenate([array.ravel().astype(np.float64) for array in arrays])
    flat = flat[np.isfinite(flat)]
    with np.errstate(over="ignore", under="ignore"):
        few_bits = flat == flat.astype(np.float16)
        return bool(np.all(flat == flat.astype(np.float32)) and not np.all(few_bits))


def _checked(name: str, step: Step, case: Case) -> Step:
    """Return the step of somebody's own model, if that has the layers of the network."""
    count = len(case.network.layers)
    if f"W{count}" not in step.quantities or f"W{count + 1}" in step.quantities:
        raise ShapeError(f"parity: {name} must have the {count} dense layers of the network; it has others.")
    known = names_of(case.network)
    return replace(step, quantities={k: v for k, v in step.quantities.items() if k in known})


def _cell(relative: float | None) -> str:
    if relative is None:
        return "-"
    return ("0" if relative == 0 else f"{relative:.1e}") if math.isfinite(relative) else "differs"


def _plain(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
