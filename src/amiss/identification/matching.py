"""Match a gradient with those of the catalogue: for each loss, through each activation, on drawn numbers."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.arrays.recorded import Node
from amiss.core import PROBABILITY, SIGNS, BatchLoss, ElementwiseLoss
from amiss.core.errors import AmissError
from amiss.core.items import ClassItems, RowItems
from amiss.core.parameters import about
from amiss.identification.scales import Scale, scale_of, tidy
from amiss.naming import catalogue
from amiss.network.layers import ACTIVATIONS

__all__ = ["Match", "Reading", "matches", "own_activation", "readings", "value_matches"]

ROWS, CLASSES = 400, 4
EXACT = 1e-9  # the largest difference, over the largest number of the gradient, that rounding explains

SLOPES: dict[str, Callable[[Any, Any, Any], Any]] = {
    **{name: activation.backward for name, activation in ACTIVATIONS.items()},
    "exp": lambda xp, delta, a: delta * a,
}
"""From dL/da to dL/dz, given a: those of the network's layers, and that of exp."""


OWN = {"logit": "sigmoid", "softmax": "softmax", "log": "exp"}
"""The activation that a loss has in itself, by its link."""


@dataclass(frozen=True)
class Reading:
    """A way to read a gradient: of which loss, of the output of which activation, and by what.

    Attributes:
        loss: a loss of the catalogue; one of logits has the activation in itself.
        activation: which makes the output.
        wrt: "prediction" or "pre-activation".
        of: what the code's variable is: the "output", or the "logits" below it.
    """

    loss: Any
    activation: str
    wrt: str
    of: str = "output"

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return logits, the code's variable and targets that have a meaning for it, (rows, columns)."""
        rng = np.random.default_rng(7)
        classes = CLASSES if self.activation == "softmax" or isinstance(self.loss, ClassItems) else 3
        z = rng.normal(scale=2.0, size=(ROWS, classes))
        if self.activation == "identity":
            is_row = isinstance(self.loss, ClassItems) and self.loss.prediction_domain is PROBABILITY
            z = _softmax(z) if is_row else _within(self.loss.prediction_domain, z, rng)
        a = z if self.of == "logits" else _output(self.activation, z)
        return z, a, self._targets(rng, z.shape)

    def _targets(self, rng: Any, shape: tuple[int, ...]) -> np.ndarray:
        domain = self.loss.target_domain
        if isinstance(self.loss, ClassItems) or self.activation == "softmax":
            return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
        if domain is SIGNS:
            return rng.choice([-1.0, 1.0], shape)
        if math.isfinite(domain.high):
            return rng.choice([0.0, 1.0], shape)
        if domain.low == 0.0:
            return rng.poisson(2.0, shape).astype(float)
        return rng.normal(scale=2.0, size=shape)

    def gradient(self, z: np.ndarray, a: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the derivative of the sum over the items, by the output or what is below it."""
        own = own_activation(self.loss) == self.activation
        with np.errstate(all="ignore"):
            slope = self.loss.gradient(
                z if own else a, target, reduction="mean" if _whole(self.loss) else "sum"
            )
            if self.wrt == "prediction" or own:
                return slope
            return SLOPES[self.activation](namespace_of(slope), slope, a)


def _output(activation: str, z: np.ndarray) -> np.ndarray:
    if activation == "exp":
        return np.exp(z)
    return np.asarray(ACTIVATIONS[activation].forward(namespace_of(z), z.copy()))


@dataclass(frozen=True)
class Match:
    """A reading that fits.

    Attributes:
        reading: what is read, with the parameters that were found; names of the code are at their default.
        scale: what multiplies the gradient of the sum over the items.
        error: the largest difference, over the largest number of the gradient.
        names: of parameters that are names in the code, these.
    """

    reading: Reading
    scale: Scale
    error: float
    names: dict[str, str]

    def uses(self, constants: Sequence[float]) -> bool:
        """Return whether a parameter is a number, or a name, of the code."""
        loss, spoken = self.reading.loss, {abs(x) for x in constants}
        values = [getattr(loss, f.name) for f in dataclasses.fields(loss) if "domain" in about(f)]
        defaults = [f.default for f in dataclasses.fields(loss) if "domain" in about(f)]
        moved = [abs(value) for value, default in zip(values, defaults, strict=True) if value != default]
        return bool(self.names) or bool(spoken.intersection(moved))


def _whole(loss: Any) -> bool:
    return isinstance(loss, BatchLoss)


def _softmax(z: np.ndarray) -> np.ndarray:
    return ACTIVATIONS["softmax"].forward(namespace_of(z), z)


def _within(domain: Any, z: np.ndarray, rng: Any) -> np.ndarray:
    if domain.low == -math.inf and domain.high == math.inf:
        return z
    if domain.high == math.inf:
        return np.exp(z / 2.0)
    if domain.low == -math.inf:
        return -np.abs(z)
    return z if ((z > 0) & (z < 1)).all() else rng.uniform(0.02, 0.98, z.shape)


@cache
def readings() -> tuple[Reading, ...]:
    """Return every reading of the catalogue, by the output itself first, and of any number first.

    A loss of logits has its activation in itself: it is read from the output of that, and from the logits.
    """
    found = []
    for loss in _losses():
        own = own_activation(loss)
        if own:
            found += [Reading(loss, own, "pre-activation"), Reading(loss, own, "pre-activation", "logits")]
            continue
        found.append(Reading(loss, "identity", "prediction"))
        if (
            loss.prediction_domain.everything
            and loss.target_domain.everything
            and isinstance(loss, ElementwiseLoss)
        ):
            found += [Reading(loss, name, "pre-activation") for name in SLOPES if name != "identity"]
    return tuple(
        sorted(found, key=lambda reading: (reading.activation != "identity", not _is_general(reading.loss)))
    )


def _is_general(loss: Any) -> bool:
    return bool(loss.prediction_domain.everything)


def own_activation(loss: Any) -> str | None:
    """Return the activation that a loss has in itself."""
    return OWN.get(loss.facts.link) if loss.prediction_domain.everything else None


def _losses() -> Iterator[Any]:
    """Yield every loss of the catalogue with every choice of its structural options."""
    for family in catalogue().values():
        for kind in family:
            declared = {field.name: about(field) for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
            options = {name: given["choices"] for name, given in declared.items() if "choices" in given}
            for chosen in itertools.product(*options.values()):
                loss: Any = kind(**dict(zip(options, chosen, strict=True)))
                if not (_whole(loss) and isinstance(loss, RowItems)):
                    yield loss


Gradient = Callable[[np.ndarray, np.ndarray, np.ndarray, dict[Node, float]], np.ndarray]


def matches(
    gradient: Gradient,
    candidates: Sequence[Reading],
    symbols: dict[Node, str],
    constants: Sequence[float],
    fits: bool = False,
) -> list[Match]:
    """Return the readings that a gradient is a multiple of.

    Args:
        gradient: of logits, outputs, targets and numbers for the symbols.
        candidates: the readings to try.
        symbols: names in the code that are neither prediction nor target: they multiply, or are parameters.
        constants: numbers in the code, which may be parameters.
        fits: whether to search for one parameter where no number in the code is it.
    """
    found = []
    for reading in candidates:
        with np.errstate(all="ignore"):
            match = _match(gradient, reading, symbols, constants, fits)
        if match is not None:
            found.append(match)
    if any(
        match.uses(constants) for match in found
    ):  # a number of the code is its parameter: it was there for that
        found = [match for match in found if match.uses(constants)]
    plain = {(match.reading.activation, match.reading.wrt): match for match in reversed(found)}
    return [match for match in found if match in plain.values()]


def _match(gradient: Gradient, reading: Reading, symbols: Any, constants: Any, fits: bool) -> Match | None:
    """Return how a reading fits, with numbers above 1 for the symbols, or else below: shares are."""
    if _whole(reading.loss):  # it counts its items itself
        symbols = {node: name for node, name in symbols.items() if node.operation != "count"}
    for first, step in ((1.3, 0.37), (0.23, 0.07))[: 1 + bool(symbols)]:
        base = {node: first + step * place for place, node in enumerate(symbols)}
        match = _match_at(gradient, reading, symbols, base, constants, fits)
        if match is not None:
            return match
    return None


def _match_at(
    gradient: Gradient, reading: Reading, symbols: Any, base: dict[Node, float], constants: Any, fits: bool
) -> Match | None:
    z, output, target = reading.draw()
    try:
        given = np.asarray(gradient(z, output, target, base), dtype=float)
        given = given + np.zeros_like(output)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, AmissError, ZeroDivisionError):
        return None
    if given.shape != output.shape or not np.isfinite(given).all():
        return None
    for parameters, names in _parameters(reading.loss, base, symbols, constants, given, reading, fits):
        tried = replace(reading, loss=replace(reading.loss, **parameters)) if parameters else reading
        factor, error = _compared(given, tried.gradient(z, output, target))
        if error <= EXACT and _same_on_part(gradient, tried, base, factor):
            scale, worst = _scale(gradient, tried, symbols, base, names, factor)
            if scale is not None:
                defaults = {f.name: f.default for f in dataclasses.fields(tried.loss) if f.name in names}
                return Match(
                    replace(tried, loss=replace(tried.loss, **defaults)), scale, max(error, worst), names
                )
    return None


def _same_on_part(gradient: Gradient, reading: Reading, base: dict[Node, float], factor: float) -> bool:
    """Return whether the factor stays with fewer items: within one batch a square is like its root."""
    z, a, target = (x[: ROWS // 4] for x in reading.draw())
    given = np.asarray(gradient(z, a, target, base), float) + np.zeros_like(a)
    return bool(abs(_compared(given, reading.gradient(z, a, target))[0] - factor) <= EXACT * abs(factor))


def _compared(given: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Return the best factor, and the largest difference that it leaves over the largest number."""
    square = float(np.sum(known * known))
    if not np.isfinite(square) or square == 0.0:
        return 0.0, math.inf
    factor = float(np.sum(given * known)) / square
    size = float(np.max(np.abs(given)))
    if size == 0.0 or factor == 0.0:
        return 0.0, math.inf
    return factor, float(np.max(np.abs(given - factor * known))) / size


def _scale(
    gradient: Gradient,
    reading: Reading,
    symbols: Any,
    base: dict[Node, float],
    names: dict[str, str],
    factor: float,
) -> tuple[Scale | None, float]:
    """Return the factor with its dependence on the symbols, and the largest difference on the way."""
    z, output, target = reading.draw()
    worst = 0.0
    parameter_of = {node: key for node in base for key, name in names.items() if symbols[node] == name}

    def at(values: dict[Node, float]) -> float:
        nonlocal worst
        moved = {key: values[node] for node, key in parameter_of.items()}
        loss = replace(reading.loss, **moved) if moved else reading.loss
        given = np.asarray(gradient(z, output, target, values), float) + np.zeros_like(output)
        found, error = _compared(given, replace(reading, loss=loss).gradient(z, output, target))
        worst = max(worst, error)
        return found

    try:
        scale = scale_of(at, base, symbols) if base else Scale(tidy(factor))
    except AmissError:
        return None, math.inf
    return (scale, worst) if worst <= EXACT else (None, worst)


def _parameters(
    loss: Any, base: dict[Node, float], symbols: Any, constants: Any, given: Any, reading: Reading, fits: bool
) -> Iterator[tuple[dict[str, float], dict[str, str]]]:
    """Yield parameters to try, and which of them are names in the code: the defaults first."""
    yield {}, {}
    numeric = {
        field.name: about(field)["domain"] for field in dataclasses.fields(loss) if "domain" in about(field)
    }
    spoken = [(value, symbols[node]) for node, value in base.items()]
    numbers = (
        {abs(c) for c in constants}
        | {abs(1.0 - abs(c)) for c in constants}
        | {2.0 * abs(c) for c in constants}
    )
    tried = [
        *spoken,
        *((number, "") for number in sorted(numbers)),
        *((-number, "") for number in sorted(numbers)),
    ]
    for name, domain in numeric.items():
        for value, word in tried:
            if value in domain and value != getattr(loss, name):
                yield {name: value}, ({name: word} if word else {})
    for (first, one), (second, two) in itertools.permutations(numeric.items(), 2):
        for (a, word), (b, other) in itertools.product(tried[:8], repeat=2):
            if a in one and b in two:
                yield {first: a, second: b}, {k: w for k, w in ((first, word), (second, other)) if w}
    if fits:
        for name, domain in numeric.items():
            value = _fitted(loss, name, domain, given, reading)
            if value is not None:
                yield {name: value}, {}


def _fitted(loss: Any, name: str, domain: Any, given: np.ndarray, reading: Reading) -> float | None:
    """Return the value of a parameter at which the gradient fits best, found on a grid and by halving."""
    z, output, target = reading.draw()

    def misfit(value: float) -> float:
        if value not in domain:
            return math.inf
        return _compared(
            given, replace(reading, loss=replace(loss, **{name: value})).gradient(z, output, target)
        )[1]

    grid = np.geomspace(1e-3, 1e3, 121)
    low = math.isfinite(domain.high) and domain.high <= 1.0
    grid = np.linspace(0.0, 1.0, 101) if low else np.concatenate([-grid[::-1], grid])
    errors = np.array([misfit(float(value)) for value in grid])
    if not np.isfinite(errors).any():
        return None
    place = int(np.nanargmin(errors))
    left, right = float(grid[max(0, place - 1)]), float(grid[min(len(grid) - 1, place + 1)])
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(90):
        a, b = right - golden * (right - left), left + golden * (right - left)
        left, right = (left, b) if misfit(a) < misfit(b) else (a, right)
    best = (left + right) / 2.0
    found = min((float(f"{best:.6g}"), best), key=misfit)
    return found if 1e-3 < abs(found) < 1e3 and misfit(found) <= EXACT else None


def value_matches(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Any:
    """Return the loss of single numbers whose value, and not its gradient, a function computes; or None."""
    for reading in readings():
        if not isinstance(reading.loss, ElementwiseLoss) or reading.activation != "identity":
            continue
        z, a, target = reading.draw()
        with np.errstate(all="ignore"):
            known = reading.loss(z, target, reduction="none")
            try:
                given = np.asarray(function(a, target), float)
            except (KeyError, ValueError, TypeError):
                continue
        if given.shape == known.shape and np.isfinite(given).all() and _compared(given, known)[1] <= EXACT:
            return reading.loss
    return None
