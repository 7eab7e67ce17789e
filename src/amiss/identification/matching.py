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
from amiss.core.errors import AmissError, ParameterError
from amiss.core.items import ClassItems, RowItems
from amiss.core.parameters import about
from amiss.identification.scales import Scale, scale_of, tidy
from amiss.naming import catalogue
from amiss.network.layers import ACTIVATIONS

__all__ = [
    "Match",
    "Reading",
    "Subject",
    "matches",
    "own_activation",
    "readings",
    "softmax_rows",
    "value_matches",
]

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

    def draw(self, certain: bool = True, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return logits, the code's variable and targets that have a meaning for it, (rows, columns).

        Args:
            certain: whether labels are 0 and 1, or one-hot; else probabilities.
            scale: how large logits and real targets are.
        """
        rng = np.random.default_rng(7)
        classes = CLASSES if self.activation == "softmax" or isinstance(self.loss, ClassItems) else 3
        z = rng.normal(scale=scale, size=(ROWS, 1 if _whole(self.loss) else classes))
        if self.activation == "identity":
            is_row = isinstance(self.loss, ClassItems) and self.loss.prediction_domain is PROBABILITY
            z = softmax_rows(z) if is_row else _within(self.loss.prediction_domain, z, rng)
        a = z if self.of == "logits" else _output(self.activation, z)
        return z, a, self._targets(rng, z.shape, certain, scale)

    def _targets(self, rng: Any, shape: tuple[int, ...], certain: bool, scale: float) -> np.ndarray:
        domain = self.loss.target_domain
        if isinstance(self.loss, ClassItems) or self.activation == "softmax":
            hot = np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
            return hot if certain else np.asarray(rng.dirichlet(np.ones(shape[1]), shape[0]))
        if domain is SIGNS:
            return rng.choice([-1.0, 1.0], shape)
        if math.isfinite(domain.high):
            return rng.choice([0.0, 1.0], shape) if certain else rng.uniform(size=shape)
        if domain.low == 0.0:
            return rng.poisson(2.0, shape).astype(float)
        labels = rng.choice([-1.0, 0.0, 1.0], shape)  # which code may ask for
        return np.where(rng.uniform(size=shape) < 0.2, labels, rng.normal(scale=scale, size=shape))

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

    @property
    def is_plain(self) -> bool:
        """Whether every parameter is at its default."""
        loss = self.reading.loss
        moved = any(
            getattr(loss, f.name) != f.default for f in dataclasses.fields(loss) if "domain" in about(f)
        )
        return not moved and not self.names


def _whole(loss: Any) -> bool:
    return isinstance(loss, BatchLoss)


def softmax_rows(z: np.ndarray) -> np.ndarray:
    """Return the softmax of each row, that of the network's layers."""
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
                if not (_whole(loss) and isinstance(loss, RowItems)) and chosen != ("log_probabilities",):
                    yield loss  # from log-probabilities the gradient is -target, without the prediction


Gradient = Callable[[np.ndarray, np.ndarray, np.ndarray, dict[Node, float]], np.ndarray]


@dataclass(frozen=True)
class Subject:
    """What is to be matched.

    Attributes:
        gradient: of logits, outputs, targets and numbers for the symbols.
        symbols: names in the code that are neither prediction nor target: they multiply, or are parameters.
        constants: numbers in the code, which may be parameters.
        fits: whether to search for one parameter where no number in the code is it.
        certain: whether labels are 0 and 1 only: the code asks for them.
        smooth: whether it may be that of a likelihood, whose activation the code does not show.
    """

    gradient: Gradient
    symbols: dict[Node, str]
    constants: Sequence[float]
    fits: bool = False
    certain: bool = False
    smooth: bool = True


def matches(subject: Subject, candidates: Sequence[Reading]) -> list[Match]:
    """Return the readings that a gradient is a multiple of, those with default parameters if it can be."""
    found = []
    for reading in candidates:
        if not subject.smooth and own_activation(reading.loss) and reading.of == "output":
            continue
        with np.errstate(all="ignore"):
            match = _match(subject, reading)
        if match is not None:
            found.append(match)
    plain = [match for match in found if match.is_plain]
    found = plain or found
    first = {(match.reading.activation, match.reading.wrt): match for match in reversed(found)}
    return [match for match in found if match in first.values()]


def _match(subject: Subject, reading: Reading) -> Match | None:
    """Return how a reading fits, with numbers above 1 for the symbols, or else below: shares are."""
    symbols = subject.symbols
    if _whole(reading.loss):  # it counts its items itself
        symbols = {node: name for node, name in symbols.items() if node.operation != "count"}
    for first, step in ((1.3, 0.37), (0.23, 0.07))[: 1 + bool(symbols)]:
        base = {node: first + step * place for place, node in enumerate(symbols)}
        match = _match_at(replace(subject, symbols=symbols), reading, base)
        if match is not None:
            return match
    return None


def _match_at(subject: Subject, reading: Reading, base: dict[Node, float]) -> Match | None:
    drawn = reading.draw()
    given = _given(subject, drawn, base)
    if given is None:
        return None
    for parameters, names in _parameters(reading, subject, base, given):
        tried = replace(reading, loss=replace(reading.loss, **parameters)) if parameters else reading
        factor, error = _compared(given, tried.gradient(*drawn))
        if error > _exact(given) or not _everywhere(subject, tried, base):
            continue
        counted = _count_of(subject, tried, base, factor)
        if counted is None:
            continue
        scale, worst = _scale(subject, tried, base, names, factor)
        if scale is not None:
            defaults = {f.name: f.default for f in dataclasses.fields(tried.loss) if f.name in names}
            plain = replace(tried, loss=replace(tried.loss, **defaults))
            return Match(plain, scale.times(counted), max(error, worst), names)
    return None


def _given(subject: Subject, drawn: Any, base: dict[Node, float]) -> np.ndarray | None:
    """Return the gradient on drawn numbers, None where it is no array of finite numbers of their shape."""
    try:
        found = np.asarray(subject.gradient(*(x.copy() for x in drawn), base))
        given = found.astype(np.float32 if found.dtype == np.float32 else float) + np.zeros_like(
            drawn[1], found.dtype
        )
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, AmissError, ArithmeticError):
        return None
    return given if given.shape == drawn[1].shape and np.isfinite(given).all() else None


def _exact(given: np.ndarray) -> float:
    """Return the largest difference that rounding explains, over the largest number."""
    return 1e-5 if given.dtype == np.float32 else EXACT


def _everywhere(subject: Subject, reading: Reading, base: dict[Node, float]) -> bool:
    """Return whether a reading also fits other numbers: soft labels, and errors that are large."""
    others = (
        []
        if subject.certain or type(reading.loss).__name__ == "BinaryFocal"
        else [reading.draw(certain=False)]
    )
    if (
        reading.activation == "identity"
        and reading.loss.prediction_domain.everything
        and not _whole(reading.loss)
    ):
        others += [reading.draw(scale=60.0), reading.draw(scale=6e3)]
    for drawn in others:
        known = reading.gradient(*drawn)
        far = np.abs(known) >= 1e100  # an exponential of a large error says nothing
        try:
            given = np.asarray(subject.gradient(*(x.copy() for x in drawn), base)) + np.zeros_like(known)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, AmissError, ArithmeticError):
            return False
        usual = np.isfinite(given) & ~far
        exact = 1e-5 if given.dtype == np.float32 else EXACT
        if usual.sum() < 20 or _compared(given[usual], known[usual])[1] > exact:
            return False
    return True


def _count_of(subject: Subject, reading: Reading, base: dict[Node, float], factor: float) -> Scale | None:
    """Return 1, or N / N where the factor falls with the number of items; None where it does anything else.

    Within one batch every sum over it is a number: it must stay, or fall with their number, on other parts.
    """
    drawn = reading.draw()
    ratios = []
    for rows in (slice(0, ROWS // 4), slice(ROWS // 4, ROWS // 2), slice(ROWS // 2, 3 * ROWS // 4)):
        part = tuple(x[rows] for x in drawn)
        given = _given(subject, part, base)
        if given is None:
            return None
        ratios.append(_compared(given, reading.gradient(*part))[0] / factor)
    if all(abs(ratio - 1.0) <= 10 * _exact(given) for ratio in ratios):
        return Scale()
    if _whole(reading.loss) or any(abs(ratio - 4.0) > 40 * _exact(given) for ratio in ratios):
        return None
    count = float(ROWS)
    if isinstance(reading.loss, ElementwiseLoss) and reading.activation != "softmax":
        single = tuple(x[:, :1] for x in drawn)
        given = _given(subject, single, base)
        if given is None:
            return None
        by_numbers = abs(_compared(given, reading.gradient(*single))[0] / factor - drawn[1].shape[1]) <= 1e-6
        count *= drawn[1].shape[1] if by_numbers else 1
    return Scale(count, {"N": -1})


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
    subject: Subject, reading: Reading, base: dict[Node, float], names: dict[str, str], factor: float
) -> tuple[Scale | None, float]:
    """Return the factor with its dependence on the symbols, and the largest difference on the way."""
    drawn = reading.draw()
    worst = 0.0
    parameter_of = {
        node: key for node in base for key, name in names.items() if subject.symbols[node] == name
    }

    def at(values: dict[Node, float]) -> float:
        nonlocal worst
        moved = {key: values[node] for node, key in parameter_of.items()}
        loss = replace(reading.loss, **moved) if moved else reading.loss
        given = _given(subject, drawn, values)
        if given is None:
            raise ParameterError("it is not finite")
        found, error = _compared(given, replace(reading, loss=loss).gradient(*drawn))
        worst = max(worst, error)
        return found

    try:
        scale = scale_of(at, base, subject.symbols) if base else Scale(tidy(factor))
    except AmissError:
        return None, math.inf
    return (scale, worst) if worst <= _exact(np.float64(0.0)) else (None, worst)


def _parameters(
    reading: Reading, subject: Subject, base: dict[Node, float], given: np.ndarray
) -> Iterator[tuple[dict[str, float], dict[str, str]]]:
    """Yield parameters to try, and which of them are names in the code: the defaults first."""
    loss = reading.loss
    yield {}, {}
    numeric = {f.name: about(f)["domain"] for f in dataclasses.fields(loss) if "domain" in about(f)}
    spoken = [(value, subject.symbols[node]) for node, value in base.items()]
    constants = [c for c in subject.constants if 1e-6 < abs(c) < 1e6 or c == 0.0]
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
    if subject.fits:
        for name, domain in numeric.items():
            value = _fitted(loss, name, domain, given, reading)
            if value is not None:
                yield {name: value}, {}


def _fitted(loss: Any, name: str, domain: Any, given: np.ndarray, reading: Reading) -> float | None:
    """Return the value of a parameter at which the gradient fits best, found on a grid and by halving."""
    drawn = reading.draw()

    def misfit(value: float) -> float:
        if value not in domain:
            return math.inf
        return _compared(given, replace(reading, loss=replace(loss, **{name: value})).gradient(*drawn))[1]

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
    return found if 1e-3 < abs(found) < 1e3 and misfit(found) <= _exact(given) else None


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
