"""One step of backpropagation on a network, by its own layers, quantity by quantity.

What the network computes is what is shown. Each derivative is checked against a finite difference of the
loss: the first that fails is where something is wrong, as every check goes all the way to the loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.core import BatchLoss, Combination
from amiss.core.errors import AmissError
from amiss.core.items import RowItems
from amiss.explain.card import _formulas
from amiss.kernels.products import product
from amiss.network import SGD, Adam, Network
from amiss.network.layers import ACTIVATIONS
from amiss.tracing.checks import EPSILON, by_differences, compared, worst
from amiss.tracing.steps import TraceStep

__all__ = ["averaged_over", "loss_steps", "network_steps", "prediction_bounds", "subscript"]

SLOPES = {
    "identity": "1",
    "relu": "1 where {a} > 0, else 0",
    "sigmoid": "{a} (1 − {a})",
    "tanh": "1 − {a}²",
    "softmax": "diag({a}) − {a} {a}ᵀ, in every row",
}


def subscript(number: int) -> str:
    """Return a number in small figures.

    Examples:
        >>> subscript(12)
        '₁₂'
    """
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


@dataclass(frozen=True, eq=False)
class _Passes:
    """The network in double precision, its loss, and one way through both."""

    network: Network
    loss: Any
    x: np.ndarray
    y: np.ndarray
    add: float

    def value(self, output: np.ndarray) -> float:
        """Return the number that is minimised: the loss, and the constant."""
        return float(self.loss(output, self.y)) + self.add

    def upwards(self, a: np.ndarray, layer: int) -> tuple[float, bytes]:
        """Return the loss of an activation below layer number `layer`, and which relus are on above it."""
        on = b""
        for dense, weights in zip(self.network.layers[layer:], self.weights[layer:], strict=True):
            a = dense.forward(a, *weights)
            on += (a > 0.0).tobytes() if dense.activation == "relu" else b""
        return self.value(a), on

    def after(self, z: np.ndarray, layer: int) -> tuple[float, bytes]:
        """Return the same of a z inside layer number `layer`."""
        a = self.activate(z, layer)
        value, on = self.upwards(a, layer + 1)
        return value, on + ((a > 0.0).tobytes() if self.network.layers[layer].activation == "relu" else b"")

    def activate(self, z: np.ndarray, layer: int) -> np.ndarray:
        """Return f(z) by the layer's own forward pass, whose product with a unit matrix changes nothing."""
        return self.network.layers[layer].forward(z, np.eye(z.shape[1]))

    @property
    def weights(self) -> list[list[np.ndarray]]:
        """Views of [W, b] or [W], for each layer."""
        return self.network.split(self.network.parameters)


def network_steps(
    network: Network, loss: Any, x: np.ndarray, y: np.ndarray, add: float, optimizer: SGD | Adam
) -> list[TraceStep]:
    """Return every quantity of one step of a network of float64, which stays as it is."""
    passes = _Passes(network, loss, x, y, add)
    activations = network.forward(x)
    by_output = loss.value_and_gradient(activations[-1], y)[1]  # HERE THE LOSS ENTERS, and nowhere else
    steps = _forward(passes, activations)
    steps += loss_steps(loss, activations[-1], y, f"a{subscript(len(network.layers))}", add)
    backward, gradient = _backward(passes, activations, by_output)
    return steps + backward + _update(passes, activations, gradient, optimizer)


def _forward(passes: _Passes, activations: list[np.ndarray]) -> list[TraceStep]:
    steps = [TraceStep("x", "x, the data", activations[0], "forward", by_row=True)]
    for n, (layer, weights) in enumerate(zip(passes.network.layers, passes.weights, strict=True), start=1):
        k, below = subscript(n), f"a{subscript(n - 1)}" if n > 1 else "x"
        z = activations[n - 1] @ weights[0] + (weights[1] if layer.bias else 0.0)
        formula = f"z{k} = {below} W{k}" + (f" + b{k}" if layer.bias else "")
        steps.append(TraceStep(f"z{n}", formula, z, "forward", by_row=True))
        formula = f"a{k} = z{k}" if layer.activation == "identity" else f"a{k} = {layer.activation}(z{k})"
        check = compared(f"the formula of {layer.activation}", activations[n], _formula(layer.activation, z))
        note = "the prediction" if n == len(passes.network.layers) else ""
        steps.append(TraceStep(f"a{n}", formula, activations[n], "forward", check, note=note, by_row=True))
    return steps


def _formula(activation: str, z: np.ndarray) -> np.ndarray:
    return ACTIVATIONS[activation].forward(namespace_of(z), z)


def loss_steps(loss: Any, output: np.ndarray, y: np.ndarray, name: str, add: float) -> list[TraceStep]:
    """Return the target, the error, the loss of each item where items have one, and the loss."""
    steps = [TraceStep("y", "y, the target", np.asarray(y, np.float64), "loss", by_row=True)]
    error = np.asarray(loss.error(output, y))
    plain = error.shape == y.shape and np.array_equal(error, output - y)
    formula = f"error = {name} − y" if plain else "error = prediction − y, where the loss compares them"
    note = "a vector, not the loss; a quadratic loss has a multiple of it as its derivative"
    steps.append(TraceStep("error", formula, error, "loss", note=note, by_row=True))
    value, over = float(loss(output, y)), averaged_over(loss, y, output)
    check, formula = None, f"L = loss({name}, y), {over}"
    try:
        items, divisor = np.asarray(loss(output, y, reduction="none")), float(loss.total_weight(y))
    except AmissError:  # one number for a whole batch, or terms whose items differ
        pass
    else:
        each = "row" if items.ndim == 1 else "number"
        steps.append(
            TraceStep("item losses", f"ℓ = loss({name}, y), of each {each}", items, "loss", by_row=True)
        )
        check, formula = compared("Σ ℓ / n", np.array(value), np.sum(items) / divisor), f"L = {over} of ℓ"
    formula += f" + {add:g}" if add else ""
    note = "one number; it says how wrong, and no line below uses it"
    return [*steps, TraceStep("loss", formula, np.array(value + add), "loss", check, note=note)]


def averaged_over(loss: Any, y: np.ndarray, output: np.ndarray) -> str:
    """Say what the mean of a loss is taken over.

    Examples:
        >>> import amiss
        >>> averaged_over(amiss.SquaredError(), np.zeros((6, 3)), np.zeros((6, 3)))
        'mean over 18 numbers (6 rows × 3)'
    """
    rows, columns = output.shape
    if isinstance(loss, Combination):
        each = {averaged_over(term, y, output) for _, term in loss.parts}
        return each.pop() if len(each) == 1 else "the sum of terms, each with a mean of its own"
    if isinstance(loss, BatchLoss):
        return f"one number for all {rows} rows together"
    count, what = (rows, "rows") if isinstance(loss, RowItems) else (rows * columns, "numbers")
    divisor = float(loss.total_weight(y))
    if divisor != count:
        return f"mean over {count} {what}, by weights that add up to {divisor:g}"
    return f"mean over {count} {what}" + (f" ({rows} rows × {columns})" if what == "numbers" else "")


def _of_one_item(loss: Any) -> str:
    """Return the derivative of one item's loss as a formula, where it is one line."""
    if isinstance(loss, Combination) or not hasattr(type(loss), "parameters"):
        return ""
    try:
        formula = _formulas(loss)["gradient"]["text"]
    except ImportError:  # the formulas of this loss were not written at build time, and SymPy is missing
        return ""
    softmax = ", where p = softmax(prediction)" if "p[" in formula else ""
    return "" if "\n" in formula else f"; of one item it is {formula.replace('-', '−')}{softmax}"


def prediction_bounds(loss: Any) -> tuple[float, float]:
    """Return between which numbers a prediction has a meaning."""
    terms = [term for _, term in loss.parts] if isinstance(loss, Combination) else [loss]
    domains = [term.prediction_domain for term in terms]
    return max(domain.low for domain in domains), min(domain.high for domain in domains)


def _backward(
    passes: _Passes, activations: list[np.ndarray], delta: np.ndarray
) -> tuple[list[TraceStep], list[np.ndarray]]:
    """Return the steps from the output to the data, and the gradient as the network itself computes it."""
    network, last = passes.network, len(passes.network.layers)
    gradient = network.backward(activations, delta)
    remaining, steps = list(gradient), []
    rounding = EPSILON * float(np.sum(np.abs(delta * activations[-1])))  # of the output, as the loss feels it
    for n in reversed(range(1, last + 1)):
        layer, weights, k = network.layers[n - 1], passes.weights[n - 1], subscript(n)
        a, own = activations[n].copy(), [np.empty(shape) for shape in layer.shapes]
        step = partial(_derivative, "backward", by_row=True)
        if n == last:
            formula = f"∂L/∂a{k}, the derivative of the loss by the prediction"
            cost = lambda a=a: passes.upwards(a, last)  # noqa: E731
            bounds = prediction_bounds(passes.loss)
            note = averaged_over(passes.loss, passes.y, a) + _of_one_item(passes.loss)
            steps.append(step(f"dL/da{n}", formula, delta, cost, a, bounds=bounds, note=note, entrance=True))
        else:
            above = subscript(n + 1)
            formula = f"∂L/∂a{k} = ∂L/∂z{above} W{above}ᵀ"
            steps.append(step(f"dL/da{n}", formula, delta, partial(passes.upwards, a, n), a, rounding))
        z = activations[n - 1] @ weights[0] + (weights[1] if layer.bias else 0.0)
        steps.append(_slope(passes, n, activations, z))
        by_z = layer.backward(delta, activations[n - 1], activations[n], own)
        by_number = ACTIVATIONS[layer.activation].by_number
        formula = f"δ{k} = ∂L/∂z{k} = ∂L/∂a{k} {'·' if by_number else ''} ∂a{k}/∂z{k}".replace("  ", " ")
        steps.append(step(f"dL/dz{n}", formula, by_z, partial(passes.after, z, n - 1), z, rounding))
        found = [remaining.pop() for _ in weights][::-1]
        below = f"a{subscript(n - 1)}" if n > 1 else "x"
        formulas = (f"∂L/∂W{k} = {below}ᵀ ∂L/∂z{k}", f"∂L/∂b{k} = the sum of ∂L/∂z{k} over the rows")
        note = f"sums over the rows; what the mean divides by came in with ∂L/∂a{k}" if n == last else ""
        for name, formula, value, weight in zip("Wb", formulas, found, weights, strict=False):
            cost = partial(passes.upwards, activations[n - 1], n - 1)
            steps.append(
                _derivative("backward", f"dL/d{name}{n}", formula, value, cost, weight, rounding, note=note)
            )
            note = ""
        if n > 1:
            delta = product(by_z, weights[0].T)
    return steps, gradient


def _derivative(part, name, formula, value, cost, moved, rounding=0.0, bounds=(-np.inf, np.inf), **more):
    check = by_differences(cost, moved, value, bounds=bounds, rounding=rounding)
    return TraceStep(name, formula, value, part, check, **more)


def _slope(passes: _Passes, n: int, activations: list[np.ndarray], z: np.ndarray) -> TraceStep:
    """Return the derivative of an activation, as the layer's own backward pass has it."""
    layer, k = passes.network.layers[n - 1], subscript(n)
    by_number, width = ACTIVATIONS[layer.activation].by_number, z.shape[1]

    def pulled(by_a: np.ndarray) -> np.ndarray:
        unused = [np.empty(shape) for shape in layer.shapes]
        return layer.backward(by_a, activations[n - 1], activations[n], unused)

    def cost(column: int | slice) -> Callable[[], tuple[float, bytes]]:
        def total() -> tuple[float, bytes]:
            a = passes.activate(z, n - 1)
            return float(a[:, column].sum()), (a > 0.0).tobytes() if layer.activation == "relu" else b""

        return total

    against = "finite difference of the layer"
    formula = SLOPES[layer.activation].format(a=f"a{k}")
    if by_number:
        value = pulled(np.ones_like(z))
        check = by_differences(cost(slice(None)), z, value, against)
    else:  # a whole Jacobian for each row
        units = np.broadcast_to(np.eye(width)[:, None, :], (width, *z.shape))
        value = np.stack([pulled(np.array(unit)) for unit in units], axis=1)
        check = worst([by_differences(cost(i), z, value[:, i], against) for i in range(width)])
    return TraceStep(f"da{n}/dz{n}", f"∂a{k}/∂z{k} = {formula}", value, "backward", check, by_row=True)


def _update(
    passes: _Passes, activations: list[np.ndarray], gradient: list[np.ndarray], optimizer: SGD | Adam
) -> list[TraceStep]:
    """Return how the optimiser moves every weight in its first step, and the loss after it."""
    old, flat = passes.network.parameters, np.concatenate([array.ravel() for array in gradient])
    new = old.copy()
    optimizer.start(new, flat.copy())()
    steps = []
    for n, (before, after) in enumerate(zip(passes.weights, passes.network.split(new), strict=True), start=1):
        for name, was, now in zip("Wb", before, after, strict=False):
            k, rule = subscript(n), f"by {optimizer}"
            if isinstance(optimizer, SGD) and not optimizer.momentum:
                rule = f"= −{optimizer.learning_rate:g} ∂L/∂{name}{k}"
            steps.append(TraceStep(f"change of {name}{n}", f"Δ{name}{k} {rule}", now - was, "update"))
            steps.append(TraceStep(f"new {name}{n}", f"{name}{k} ← {name}{k} + Δ{name}{k}", now, "update"))
    before = passes.value(activations[-1])
    moved = object.__new__(type(passes.network))
    moved.__dict__.update(passes.network.__dict__, parameters=new)
    after = passes.value(moved.forward(passes.x)[-1])
    predicted = float(flat @ (new - old))
    note = f"it changed by {after - before:.4g}; the gradient predicted {predicted:.4g}"
    return [*steps, TraceStep("loss after", "L with the new weights", np.array(after), "update", note=note)]
