"""`amiss.trace`: one step of backpropagation with numbers, and a check of every derivative in it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from amiss.authoring.defining import read_loss
from amiss.core import ClassItems, Combination, Loss
from amiss.core.errors import DomainError, DTypeError, ParameterError, ShapeError, suggest
from amiss.core.targets import one_hot
from amiss.explain.models import as_network, library_of
from amiss.naming import label_of
from amiss.network import SGD, Adam, Network
from amiss.tracing.checks import compared
from amiss.tracing.frameworks import by_framework
from amiss.tracing.functions import function_nudge, function_trace
from amiss.tracing.network import network_steps
from amiss.tracing.steps import Nudge, Trace, TraceStep

__all__ = ["Trace", "TraceStep", "trace"]

ALONE = "Keras runs on neither TensorFlow nor PyTorch: its own differentiation is not compared."
_NUDGE = re.compile(r"\s*(\w+)\s*\[\s*([\d\s,]+?)\s*\]\s*([+-]=)\s*([^\s].*?)\s*")


def trace(
    model: Any,
    loss: Loss | str,
    x: Any,
    y: Any,
    *,
    row: int = 0,
    swap: Loss | str | None = None,
    add: float = 0.0,
    nudge: str | None = None,
    optimizer: SGD | Adam | None = None,
    weights: Mapping[str, Any] | None = None,
    prediction: str | None = None,
) -> Trace:
    """Show one step of backpropagation, quantity by quantity, and check every derivative in it.

    The passes are those of the model's own layers, in double precision: what they compute is what is shown.
    Each derivative is compared with a finite difference of the loss, and for a model of PyTorch or Keras also
    with that framework's own differentiation. `Trace.wrong` is the first step whose check failed.

    Args:
        model: a `Network`; a Sequential of PyTorch or Keras (see `as_network`); or a function of yours,
            `step(x, y, W1, ...)`, that makes one step and ends with `return locals()`, or with a dict of its
            arrays in order. Such a function gets `weights`, and is called often: it must do the same each
            time.
        loss: a loss, or a spelling of one. For a function it is what you believe that its step minimises.
        x: the data, (rows, inputs).
        y: the targets as the loss takes them.
        row: the row whose numbers are shown.
        swap: another loss, with which everything is computed once more. Class indices, one-hot rows and
            signs turn into what it takes.
        add: a constant that is added to the loss.
        nudge: a change of one weight, such as "W2[0,1]+=0.1", counted from 0.
        optimizer: `SGD` or `Adam`, by default `SGD(0.1)`; a function makes its own update.
        weights: the arrays that a function takes beside x and y, by name.
        prediction: the name of the function's array that the loss compares with y; by default the last one
            that does not change with y and that the loss takes.

    Shapes:
        x: (rows, inputs). Steps: those that they have in the model; weights are (inputs, outputs).

    Units:
        Every derivative is in units of the loss by units of its quantity.

    Raises:
        ParameterError, ShapeError, DTypeError, DomainError: an argument is not as described, or the loss has
            no meaning for it.

    Source:
        Rumelhart, Hinton and Williams (1986), Nature 323, 533-536, doi:10.1038/323533a0.

    Examples:
        >>> import amiss
        >>> from amiss.network import Dense
        >>> network = Network([Dense(1, 1, bias=False)])
        >>> network.weights = [[[1.0]]]
        >>> found = trace(network, amiss.SquaredError(), [[2.0]], [[5.0]], nudge="W1[0,0]+=0.5")
        >>> float(found["error"].value[0, 0]), float(found["loss"].value)  # 2 - 5; its square
        (-3.0, 9.0)
        >>> float(found["dL/da1"].value[0, 0]), float(found["dL/dW1"].value[0, 0])  # 2 (-3); times x
        (-6.0, -12.0)
        >>> found.nudge.predicted, found.nudge.happened  # -12 * 0.5; (3 - 5)² - 9
        (-6.0, -5.0)
    """
    loss = _loss("loss", loss)
    if isinstance(add, bool) or not isinstance(add, int | float) or not np.isfinite(add):
        raise ParameterError(f"trace: add must be a finite number; got {add!r}.")
    if library_of(model) is None and callable(model) and not isinstance(model, type):
        if optimizer is not None or swap is not None:
            raise ParameterError(
                "trace: optimizer and swap must be None for a function, which has its own update and its own "
                "loss. Trace it once more with the other loss."
            )
        made = _of_function(model, loss, x, y, float(add), weights, prediction, nudge)
    else:
        if weights is not None or prediction is not None:
            raise ParameterError("trace: weights and prediction must be None for a model; it has its own.")
        made = _of_model(model, loss, x, y, float(add), swap, nudge, optimizer)
    return _with_row(made, row)


def _loss(argument: str, loss: Any) -> Loss:
    if isinstance(loss, type) or not isinstance(loss, Loss | str):
        raise ParameterError(f"trace: {argument} must be a loss such as amiss.CrossEntropy(); got {loss!r}.")
    return read_loss(loss) if isinstance(loss, str) else loss


def _with_row(made: Trace, row: int) -> Trace:
    if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < made.rows:
        raise ParameterError(f"trace: row must be one of 0 .. {made.rows - 1}; got {row!r}.")
    return replace(made, row=int(row))


# --- a model -------------------------------------------------------------------------------------------
def _of_model(
    model: Any, loss: Loss, x: Any, y: Any, add: float, swap: Any, nudge: str | None, optimizer: Any
) -> Trace:
    if library_of(model) is None:
        raise ParameterError(
            f"trace: model must be a Network, a Sequential of PyTorch or Keras, or a function; got {model!r}."
        )
    network = as_network(model)
    optimizer = SGD(0.1) if optimizer is None else optimizer
    if not isinstance(optimizer, SGD | Adam):
        raise ParameterError(f"trace: optimizer must be SGD(...) or Adam(...); got {optimizer!r}.")
    x, rows, y = _data(network, model, x, y)
    if y.ndim == 1 and network.layers[-1].outputs == 1 and not isinstance(loss, ClassItems):
        raise ShapeError(
            f"trace: y must have shape ({len(y)}, 1) for one output; got {y.shape}. Write y[:, None]."
        )

    def traced(loss: Loss, y: np.ndarray, add: float) -> Trace:
        steps = network_steps(network, loss, rows, y, add, optimizer)
        tool, rounding, others = by_framework(model, loss, x, y)
        if tool:
            others["loss"] = others["loss"] + add
            steps = [
                replace(step, autodiff=compared(tool, step.value, others[step.name], rounding))
                if step.name in others
                else step
                for step in steps
            ]
        notes = () if tool or library_of(model) == "amiss" else (ALONE,)
        return Trace(tuple(steps), _described(network), label_of(loss), y, add=add, notes=notes)

    made = traced(loss, y, add)
    if add:
        made = replace(made, plain=traced(loss, y, 0.0))
    if swap is not None:
        other = _loss("swap", swap)
        made = replace(made, swapped=traced(other, _recoded(other, y, network.layers[-1].outputs), 0.0))
    if nudge is not None:
        made = replace(made, nudge=_nudged(network, loss, rows, y, nudge, made))
    return made


def _data(network: Network, model: Any, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x as the model takes it, x in rows, and y."""
    x, y = _numbers("x", x).astype(np.float64), _numbers("y", y)
    rows = x if library_of(model) == "amiss" or x.ndim < 2 else x.reshape(len(x), -1)
    rows = network.check(rows)
    if not len(rows) or y.shape[:1] != rows.shape[:1]:
        raise ShapeError(f"trace: x and y must have the same rows, one or more; got {x.shape} and {y.shape}.")
    return x, rows, y


def _numbers(name: str, array: Any) -> np.ndarray:
    """Return an array of finite numbers, in double precision if they are not whole."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"trace: {name} must hold real numbers; got {array.dtype}. Convert it.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DomainError(f"trace: {name} must hold finite numbers. Drop or fill such rows.")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _described(network: Network) -> str:
    widths = "-".join(
        str(n) for n in (network.layers[0].inputs, *(layer.outputs for layer in network.layers))
    )
    return f"a {widths} network ({', '.join(layer.activation for layer in network.layers)})"


def _recoded(loss: Loss, y: np.ndarray, classes: int) -> np.ndarray:
    """Return targets as another loss takes them: class indices, one-hot rows and signs are the same thing."""
    terms: list[Any] = [term for _, term in loss.parts] if isinstance(loss, Combination) else [loss]
    indices = y.ndim == 1 and y.dtype.kind != "f"
    signs = y.ndim == 2 and y.size > 0 and bool(np.isin(y, (-1, 1)).all())
    if all(isinstance(term, ClassItems) for term in terms):
        return (y > 0).astype(np.float64) if signs and y.shape[1] > 1 else y
    if indices and classes > 1:
        y = one_hot(y, classes)
    if any(term.target_domain.members == (-1.0, 1.0) for term in terms):
        return 2.0 * y - 1.0 if bool(np.isin(y, (0, 1)).all()) else y
    return (y + 1.0) / 2.0 if signs and any(term.target_domain.low == 0.0 for term in terms) else y


# --- a function ----------------------------------------------------------------------------------------
def _of_function(
    function: Any, loss: Loss, x: Any, y: Any, add: float, weights: Any, prediction: Any, nudge: str | None
) -> Trace:
    x, y = _numbers("x", x), _numbers("y", y)
    made = function_trace(function, loss, x, y, weights, prediction, add)
    if add:
        made = replace(made, plain=function_trace(function, loss, x, y, weights, prediction, 0.0))
    if nudge is not None:
        moved = function_nudge(
            function, loss, x, y, weights, prediction, lambda named: _read_nudge(nudge, named)
        )
        made = replace(made, nudge=moved)
    return made


# --- a nudge -------------------------------------------------------------------------------------------
def _read_nudge(nudge: Any, weights: Mapping[str, np.ndarray]) -> tuple[str, tuple[int, ...], float, str]:
    """Return which weight is moved, and by how much."""
    found = _NUDGE.fullmatch(nudge) if isinstance(nudge, str) else None
    try:
        name, place, sign, number = found.groups()  # type: ignore[union-attr]
        index, by = tuple(int(part) for part in place.split(",")), float(number)
    except (AttributeError, ValueError):
        raise ParameterError(
            f"trace: nudge must be a weight, its place and a number, as in W2[0,1]+=0.1; got {nudge!r}."
        ) from None
    if name not in weights:
        raise ParameterError(
            f"trace: nudge must move one of {', '.join(weights)}; got {name!r}.{suggest(name, weights)}"
        )
    shape = weights[name].shape
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
        last = ", ".join(f"0..{size - 1}" for size in shape)
        raise ParameterError(f"trace: nudge must name a place of {name}, [{last}]; got {list(index)}.")
    if not np.isfinite(by):
        raise ParameterError(f"trace: nudge must add a finite number; got {number}.")
    by = by if sign == "+=" else -by
    return name, index, by, f"{name}[{', '.join(map(str, index))}] {'+' if by >= 0 else '−'}= {abs(by):g}"


def _nudged(network: Network, loss: Loss, x: np.ndarray, y: np.ndarray, nudge: str, made: Trace) -> Nudge:
    moved = as_network(network)
    views = moved.split(moved.parameters)
    named = {
        f"{k}{n}": view for n, layer in enumerate(views, 1) for k, view in zip("Wb", layer, strict=False)
    }
    name, place, by, text = _read_nudge(nudge, named)
    gradient = float(made[f"dL/d{name}"].value[place])
    before = float(loss(network.forward(x)[-1], y))
    named[name][place] += by
    return Nudge(text, by, gradient, gradient * by, float(loss(moved.forward(x)[-1], y)) - before)
