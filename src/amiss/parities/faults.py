"""Faults that are known to happen in one step of training: each is made on purpose, to be compared with.

If what somebody computed equals the step with a fault, that fault is what they have.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.core import checks
from amiss.core.errors import AmissError
from amiss.core.items import ClassItems
from amiss.naming import catalogue
from amiss.network import SGD, Adam, Dense, Network
from amiss.network.layers import ACTIVATIONS, Activation
from amiss.parities.case import Case, Step
from amiss.parities.frameworks import numpy_step

__all__ = ["faults"]

CLIPS = (1e-7, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16)
"""Where probabilities are clipped: first where Keras does it."""

EPSILONS = (1e-7, 1e-8, 1e-6, 1e-10, 1e-5, 1e-4, 1e-3)
"""The epsilon of Adam: first that of Keras."""

RATES = (1e-3, 1e-2, 0.1)
"""Learning rates that are somebody's default."""


@dataclass(frozen=True)
class Through:
    """A loss of f(output); `constant` is added to its value."""

    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (dL/df, output) -> dL/doutput
    loss: Any
    constant: float = 0.0

    def value_and_gradient(self, output: np.ndarray, target: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return the loss of f(output), and its derivative by the output."""
        value, delta = self.loss.value_and_gradient(self.forward(output), target)
        return value + self.constant, self.backward(delta, output)


@dataclass(frozen=True)
class Bent(Dense):
    """A dense layer that takes another derivative of its activation for the right one."""

    bend: Callable[[Any, Activation, np.ndarray, np.ndarray], np.ndarray] | None = None

    def backward(self, delta: np.ndarray, x: np.ndarray, a: np.ndarray, out: list[np.ndarray]) -> np.ndarray:
        """Return the wrong dL/dz, and write what follows of it."""
        delta = self.bend(namespace_of(a), ACTIVATIONS[self.activation], delta, a)
        out[0][...] = x.T @ delta
        if self.bias:
            out[1][...] = delta.sum(axis=0)
        return delta


def faults(case: Case) -> Iterator[tuple[str, Step]]:
    """Yield each reason that is known, and the step as it is with that fault."""
    for changed in (_of_weights, _of_activations, _of_losses, _of_derivatives, _of_optimisers):
        for reason, other in changed(case):
            try:
                with np.errstate(all="ignore"), checks("shapes"):
                    step = numpy_step(other)
            except AmissError:  # a fault that this case cannot have: a loss of other targets, say
                continue
            yield reason, step
    for n in range(1, len(case.network.layers)):
        moved = [numpy_step(case).quantities[f"{name}_new"] for name in _weight_names(case.network)]
        reason = f"the weights of layer {n + 1} were updated before they carried the gradient down"
        above = _with(case.network, weights=moved)
        yield reason, numpy_step(case, weights_above=above)


def _of_weights(case: Case) -> Iterator[tuple[str, Case]]:
    network = case.network
    names, weights = _weight_names(network), network.weights
    for n, (name, weight) in enumerate(zip(names, weights, strict=True)):
        if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
            changed = [*weights[:n], weight.T, *weights[n + 1 :]]
            yield f"{name} is transposed", replace(case, network=_with(network, weights=changed))
    biases = [n for n, name in enumerate(names) if name[0] == "b" and weights[n].any()]
    for left, said in [
        (biases, "the biases are left out"),
        *(([n], f"{names[n]} is left out") for n in biases),
    ]:
        if left:
            changed = [0 * weight if n in left else weight for n, weight in enumerate(weights)]
            yield said, replace(case, network=_with(network, weights=changed))
    if network.scale != 1.0:
        whole = Network(network.layers, 0, network.dtype)
        whole.weights = weights
        yield f"x is not multiplied by the network's scale, {network.scale:.4g}", replace(case, network=whole)


def _of_activations(case: Case) -> Iterator[tuple[str, Case]]:
    layers, loss = case.network.layers, case.loss
    for n, layer in enumerate(layers):
        for name in ACTIVATIONS:
            if name != layer.activation:
                changed = [*layers[:n], replace(layer, activation=name), *layers[n + 1 :]]
                other = replace(case, network=_with(case.network, layers=changed))
                said = f"the activation of layer {n + 1} is {name}, not {layer.activation}"
                if n == len(layers) - 1 and name == _link(loss) and loss.input == "logits":
                    yield said, replace(other, loss=replace(loss, input="probabilities"))
                    said += f"; and the loss takes these probabilities for logits: {name} twice"
                yield said, other


def _of_losses(case: Case) -> Iterator[tuple[str, Case]]:
    for reason, loss in _other_losses(case.loss, case.network.layers[-1].activation):
        yield reason, replace(case, loss=loss)


def _other_losses(loss: Any, activation: str) -> Iterator[tuple[str, Any]]:
    name = _link(loss)
    if name and loss.input in ("logits", "probabilities"):
        logits, probabilities = (
            replace(loss, input="logits"),
            replace(loss, input="probabilities", epsilon=0.0),
        )
        if loss.input == "logits":
            yield f"a {name} is applied twice: the loss takes probabilities for logits", _after(name, logits)
        elif activation == name:
            yield f"the loss takes probabilities for logits: {name} twice", logits
        yield from _of_probabilities(loss, name, probabilities)
    if name == "" and getattr(loss, "input", "") == "rate":
        for epsilon in CLIPS:
            said = f"{epsilon:g} is added to the rate inside the logarithm"
            yield said, Through(lambda m, e=epsilon: m + e, lambda delta, m: delta, loss, -epsilon)
    for family in catalogue().values():
        for kind in family:
            if kind is not type(loss):
                yield f"the loss is another one, {kind()!r}", kind()


def _link(loss: Any) -> str:
    """Return the activation that turns the logits of a loss into its probabilities, or an empty text."""
    known = {field.name for field in fields(loss)} if is_dataclass(loss) else set()
    if not {"input", "epsilon"} <= known:
        return ""
    return "softmax" if isinstance(loss, ClassItems) else "sigmoid"


def _of_probabilities(loss: Any, name: str, probabilities: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is done to probabilities, which the loss gets or makes of its logits."""
    from_logits, classes = loss.input == "logits", isinstance(loss, ClassItems)

    def whole(other: Any) -> Any:
        return _after(name, other) if from_logits else other

    for epsilon in CLIPS:
        keras = ", as Keras does" if epsilon == 1e-7 else ""
        said = f"probabilities are clipped to [{epsilon:g}, 1 - {epsilon:g}]{keras}"
        taken = "logits are taken for probabilities: from_logits=True, or the activation, was forgotten"
        clipped = [_clipped(probabilities, epsilon)]
        if classes:  # Keras divides a row by its sum, before it clips or, of indices, after it
            clipped += [_shared(clipped[0]), _clipped(_shared(probabilities), epsilon)]
        for other in clipped:
            yield said, whole(other)
            if from_logits:
                yield taken, other
        if classes:  # log(p + e) is log((p + e) / (1 + e)), of a probability again, and a constant
            share = 1 + epsilon
            added = Through(
                lambda p, e=epsilon: (p + e) / (1 + e),
                lambda delta, p, share=share: delta / share,
                probabilities,
                -math.log(share),
            )
            yield f"{epsilon:g} is added to the probabilities inside the logarithm", whole(added)


def _after(name: str, loss: Any) -> Through:
    f = ACTIVATIONS[name]

    def forward(z: np.ndarray) -> np.ndarray:
        return f.forward(namespace_of(z), z)

    return Through(forward, lambda delta, z: f.backward(namespace_of(z), delta, forward(z)), loss)


def _clipped(loss: Any, epsilon: float) -> Through:
    def inside(delta: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.where((p >= epsilon) & (p <= 1 - epsilon), delta, 0.0)

    return Through(lambda p: np.clip(p, epsilon, 1 - epsilon), inside, loss)


def _shared(loss: Any) -> Through:
    """Return the loss of a row divided by its sum."""

    def backward(delta: np.ndarray, z: np.ndarray) -> np.ndarray:
        total = z.sum(axis=-1, keepdims=True)
        return (delta - np.sum(delta * z / total, axis=-1, keepdims=True)) / total

    return Through(lambda z: z / z.sum(axis=-1, keepdims=True), backward, loss)


def _of_derivatives(case: Case) -> Iterator[tuple[str, Case]]:
    bends: dict[str, Callable] = {
        "the derivative of the activation of layer {n}, {name}, is left out": lambda xp, f, delta, a: delta,
        "the derivative of layer {n}, {name}, is taken at the activation a, not at z": (
            lambda xp, f, delta, a: f.backward(xp, delta, f.forward(xp, a))
        ),
        "the derivative of the activation of layer {n}, {name}, is multiplied in twice": (
            lambda xp, f, delta, a: f.backward(xp, f.backward(xp, delta, a), a)
        ),
    }
    rows: dict[str, Callable] = {
        "the derivative of layer {n}, {name}, is a(1 - a) alone: the other outputs of a row are left out": (
            lambda xp, f, delta, a: delta * a * (1 - a)
        ),
        "a(1 - a) is multiplied in at layer {n}, {name}, once more": (
            lambda xp, f, delta, a: f.backward(xp, delta, a) * a * (1 - a)
        ),
    }
    layers = case.network.layers
    for n, layer in enumerate(layers):
        name = layer.activation
        if name != "identity":
            for said, bend in (bends if ACTIVATIONS[name].by_number else bends | rows).items():
                bent = Bent(layer.inputs, layer.outputs, name, layer.bias, bend)
                network = _with(case.network, layers=[*layers[:n], bent, *layers[n + 1 :]])
                yield said.format(n=n + 1, name=name), replace(case, network=network)


def _of_optimisers(case: Case) -> Iterator[tuple[str, Case]]:
    ours = case.optimizer
    if isinstance(ours, Adam):
        first = (1 - ours.beta2) ** 0.5  # what frees √v of its bias in the first step
        for epsilon in dict.fromkeys([ours.epsilon, *EPSILONS]):
            if epsilon != ours.epsilon:
                said = f"the epsilon of Adam is {epsilon:g}, not {ours.epsilon:g}"
                yield (
                    said + (" (Keras' default)" * (epsilon == 1e-7)),
                    _by(case, replace(ours, epsilon=epsilon)),
                )
            hat = epsilon / first
            said = (
                f"epsilon is added before √v is freed of its bias, as in Keras: {epsilon:g} acts as {hat:.3g}"
            )
            if epsilon != ours.epsilon:
                said += f"; and it is {epsilon:g}, not {ours.epsilon:g}"
            yield said, _by(case, replace(ours, epsilon=hat))
        for rate in dict.fromkeys([ours.learning_rate, *RATES]):
            yield f"the optimiser is SGD({rate:g}), not Adam", _by(case, SGD(rate))
    else:
        for rate in dict.fromkeys([ours.learning_rate, *RATES]):
            for epsilon in (1e-8, 1e-7 / (1 - Adam().beta2) ** 0.5):  # the second is what Keras does
                yield f"the optimiser is Adam({rate:g}), not SGD", _by(case, Adam(rate, epsilon=epsilon))


def _by(case: Case, optimizer: SGD | Adam) -> Case:
    return replace(case, optimizer=optimizer)


def _with(network: Network, layers: Any = None, weights: Any = None) -> Network:
    """Return the network with other layers or other weights of the same shapes."""
    changed = Network(layers or network.layers, 0, network.dtype, network.scale)
    changed.weights = network.weights if weights is None else weights
    return changed


def _weight_names(network: Network) -> list[str]:
    return [f"{x}{n}" for n, layer in enumerate(network.layers, 1) for x in "Wb"[: 1 + layer.bias]]
