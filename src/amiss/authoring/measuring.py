"""A loss as functions of single items, and the lines through its domain that it is measured along."""

import contextlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.core import LOG_PROBABILITY, PROBABILITY, BatchLoss, Combination, Loss, checks
from amiss.core.errors import ParameterError
from amiss.core.items import ClassItems, NumberItems, RowItems

__all__ = ["FAR", "Items", "Line", "grid", "lines", "nice"]

FAR = 30.0
"""A logit that stands for certainty."""


class Items:
    """A loss as functions of many items: one number, or one row of numbers, with a target each.

    Shapes:
        prediction, target: (n,) for a loss of numbers, (n, width) for one of rows.
    """

    def __init__(self, loss: Loss) -> None:
        parts = loss.parts if isinstance(loss, Combination) else ((1.0, loss),)
        if not parts or not all(isinstance(term, NumberItems | RowItems) for _, term in parts):
            raise ParameterError(
                f"properties: loss must have one number or one row per item; got {loss!r}. "
                "Give a loss of amiss.catalogue(), a sum of them, or one of your own."
            )
        self.parts: list[tuple[float, Any]] = [(factor, _on_rows(term)) for factor, term in parts]
        terms = [term for _, term in self.parts]
        self.rows = any(isinstance(term, RowItems) for term in terms)
        self.classes = any(isinstance(term, ClassItems) for term in terms)
        self.width = next((n for term in terms if (n := getattr(term, "_classes", None))), 3)
        self.domain = _narrowest([term.prediction_domain for term in terms])
        self.target_domain = _narrowest([term.target_domain for term in terms])
        self.count = 0
        """How many items were looked at."""
        self.link = self._link()

    @property
    def labels(self) -> bool:
        """Whether targets are labels, or probabilities of labels, and not measured numbers."""
        domain = self.target_domain
        return domain.members is not None or math.isfinite(domain.low + domain.high)

    def _each(self, quantity: str, prediction: np.ndarray, target: np.ndarray, *extra: Any) -> np.ndarray:
        """Return a quantity of every item by itself, of a batch loss that of a batch of one item."""
        self.count += len(prediction)
        # Predictions between the few legal ones give NaN then, and no error.
        lenient = checks("shapes") if self.domain.members else contextlib.nullcontext()
        with np.errstate(all="ignore"), lenient:
            return sum(
                factor * self._term(term, quantity, prediction, target, *extra) for factor, term in self.parts
            )

    def _term(self, term: Any, quantity: str, prediction: np.ndarray, target: np.ndarray, *extra: Any) -> Any:
        numbers_of_a_row = self.rows and isinstance(term, NumberItems)
        if isinstance(term, BatchLoss):  # items lie on the last axis but one, and batches before it
            shape = (len(prediction), -1, 1) if isinstance(term, NumberItems) else (len(prediction), 1, -1)
            tables = [x.reshape(shape) for x in (prediction, target, *extra)]
            tables.insert(2, np.ones_like(tables[0][..., :1]))
            found = getattr(term, f"_{quantity}")(namespace_of(prediction), *tables)
            return np.reshape(found, len(prediction) if quantity == "value" else prediction.shape)
        how = "none" if quantity == "value" else "sum"
        function = term if quantity == "value" else getattr(term, quantity)
        found = np.asarray(function(prediction, target, *extra, reduction=how), float)
        if not numbers_of_a_row:
            return found
        return found.mean(-1) if quantity == "value" else found / self.width

    def value(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the loss of each item."""
        return self._each("value", prediction, target)

    def gradient(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of each item, in the shape of its prediction."""
        return self._each("gradient", prediction, target)

    def hessian(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the diagonal second derivative of each item."""
        return self._each("hessian", prediction, target)

    def slope(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the length of the gradient of each item."""
        return self.size(self.gradient(prediction, target))

    def bend(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the largest curvature of each item in any direction."""
        if not self.rows:
            return np.abs(self.hessian(prediction, target))
        columns = [np.broadcast_to(direction, prediction.shape) for direction in np.eye(self.width)]
        matrices = np.stack(
            [self._each("hessian_product", prediction, target, column) for column in columns], -1
        )
        finite = np.isfinite(matrices).all((1, 2))
        sizes = np.abs(np.linalg.eigvalsh(np.where(finite[:, None, None], matrices, 0.0))).max(-1)
        return np.where(finite, sizes, np.inf)

    def size(self, x: np.ndarray) -> np.ndarray:
        """Return the length of each item."""
        with np.errstate(over="ignore"):
            return np.linalg.norm(x, axis=-1) if self.rows else np.abs(x)

    # --- what stands for perfection -------------------------------------------------------------------------
    def linked(self, mean: np.ndarray, link: str | None = None) -> np.ndarray:
        """Return the finite prediction that stands for a mean, or for probabilities."""
        link = link or self.link or "identity"
        if link == "identity":
            return mean
        with np.errstate(divide="ignore"):
            if link == "logit":
                return np.clip(np.log(mean) - np.log1p(-mean), -FAR, FAR)
            return np.maximum(np.log(mean), -FAR)

    def _link(self) -> str | None:
        """Return the function from a mean to a prediction under which `error` is mean - target, if any."""
        mean = self.means(12)
        target = np.abs(mean[::-1]) if self.target_domain.low == 0.0 else mean[::-1]
        if self.target_domain.members is not None:
            target = np.resize(self.target_domain.members, mean.shape)
        for link in ("identity", "softmax", "log") if self.rows else ("identity", "log", "logit"):
            with np.errstate(all="ignore"):
                prediction = self.linked(mean, link) - (link == "softmax")  # which a constant does not change
            if not np.all(self.domain.contains(prediction)):
                continue
            error = np.asarray(self.parts[0][1].error(prediction, target))
            if np.allclose(error, mean - target, rtol=1e-9, atol=1e-12):
                return link
        return None

    def means(self, count: int, seed: int = 0) -> np.ndarray:
        """Return means that targets may have, without the ends of an interval."""
        rng = np.random.default_rng(seed)
        if self.classes:
            return np.concatenate([rng.dirichlet(np.full(self.width, a), count // 2) for a in (0.4, 2.0)])
        domain = self.target_domain
        if domain.members is None and self.labels:
            return domain.low + (domain.high - domain.low) * rng.uniform(0.02, 0.98, count)
        found = rng.normal(scale=3.0, size=(count, self.width) if self.rows else count)
        return domain.low + np.abs(found) if math.isfinite(domain.low) and domain.members is None else found

    def certain(self) -> np.ndarray:
        """Return targets without doubt: one-hot rows, labels, or measured numbers."""
        domain = self.target_domain
        if self.classes:  # of many classes the first, and those of the largest and of the least weight
            weights = [w for _, term in self.parts if (w := getattr(term, "class_weight", None))] or [(1.0,)]
            some = {0, 1, 2, int(np.argmax(weights[0])), int(np.argmin(weights[0]))}
            return np.eye(self.width)[sorted(some & set(range(self.width)))]
        if self.rows:
            return np.concatenate([np.eye(self.width)[:1], self.means(3, seed=7).round(1)])
        if self.labels:
            return np.array(domain.members or (domain.low, domain.high))
        return np.array([0.0, 1.0, 3.0] if domain.low == 0.0 else [0.0, 1.0, -2.5])

    def targets(self) -> np.ndarray:
        """Return certain targets, and where they may be probabilities a few of these."""
        soft = self.classes or (self.labels and self.target_domain.members is None)
        return np.concatenate([self.certain(), self.means(4, seed=3)[1:3]]) if soft else self.certain()

    @property
    def distributions(self) -> bool:
        """Whether predictions are rows of probabilities, or their logarithms, and so sum to 1."""
        return self.classes and self.domain in (PROBABILITY, LOG_PROBABILITY)


def _on_rows(term: Any) -> Any:
    """Return a loss whose rows lie on the last axis and are never left out."""
    plain = {"axis": -1, "ignore_index": None}
    given = {name: value for name, value in plain.items() if name in type(term).parameters()}
    return replace(term, **given) if given else term


def _narrowest(domains: list[Any]) -> Any:
    return next((domain for domain in domains if not domain.everything), domains[0])


# --- lines through the domain ------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Line:
    """Predictions base + s * direction for s from low to high, all for one target."""

    target: np.ndarray
    base: np.ndarray
    direction: np.ndarray
    low: float
    high: float

    def at(self, s: Any) -> np.ndarray:
        """Return the predictions at some s."""
        s = np.asarray(s, float)
        return self.base + (s[:, None] * self.direction if self.direction.ndim else s * self.direction)

    def aims(self, s: np.ndarray) -> np.ndarray:
        """Return the target as often as there are predictions."""
        return np.broadcast_to(self.target, (len(s), *self.target.shape))


def lines(items: Items) -> list[Line]:
    """Return lines to measure along: for a number the domain; for a row edges and random directions."""
    low, high = items.domain.low, items.domain.high
    targets = [np.asarray(target) for target in items.targets()]
    one, none = np.array(1.0), np.array(0.0)
    if not items.rows:
        return [Line(target, none, one, low, high) for target in targets]
    rng, found = np.random.default_rng(5), []
    middle = np.full(items.width, 0.5 * (low + high) if math.isfinite(low + high) else min(high, 0.0))
    for target in targets:
        for k in np.unique([0, 1, 2 % items.width, int(np.argmax(target))]):
            edge = np.eye(items.width)[k]
            found.append(Line(target, middle * (1 - edge), edge, low, high))
        if math.isinf(low) and math.isinf(high):  # two entries against each other, all others far below
            first = int(np.argmax(target))
            base = np.where(np.isin(np.arange(items.width), (first, first - 1)), 0.0, -40.0)
            found.append(Line(target, base, np.eye(items.width)[first], low, high))
        for _ in range(2):  # through the inside, at an angle
            direction = rng.normal(size=items.width)
            if math.isfinite(low + high):
                ends = rng.dirichlet(np.ones(items.width), 2)
                found.append(Line(target, ends[0], ends[1] - ends[0], 0.0, 1.0))
            elif math.isfinite(low) or math.isfinite(high):
                sign = 1.0 if math.isfinite(low) else -1.0
                found.append(Line(target, middle, sign * np.abs(direction), 0.0, math.inf))
            else:
                found.append(Line(target, middle, direction, low, high))
    return found


def grid(line: Line, items: Items) -> np.ndarray:
    """Return increasing numbers s: even ones, and ones that crowd at the target, at 0, and at finite ends."""
    low, high = line.low, line.high
    fine = 1 if items.rows else 8
    powers = 10.0 ** np.linspace(-9, 12, 42 * fine + 1)
    even = np.linspace(max(low, -50.0), min(high, 50.0), 100 * fine + 1)
    near = [0.0] if items.rows else [0.0, float(line.target)]
    parts = [even, *(centre + sign * powers for centre in near for sign in (-1, 1)), np.array(near)]
    for end, inward in ((low, 1.0), (high, -1.0)):
        if math.isfinite(end):
            digits = 300 if end == 0.0 else 15
            parts.append(end + inward * 10.0 ** -np.linspace(0, digits, 2 * digits + 1))
            parts.append(np.array([end]))
    s = np.unique(np.concatenate(parts))
    s = s[(s >= low) & (s <= high)]
    inside = items.domain.contains(line.at(s))
    return s[inside.all(-1) if inside.ndim > 1 else inside]


def nice(s: np.ndarray, sizes: np.ndarray, most: float) -> float:
    """Return the place that reads best among those where a size is as good as the largest."""
    places = s[sizes >= most - 1e-9 * abs(most)]
    return float(min(places[np.argsort(np.abs(places))][:2000], key=lambda x: (len(f"{x:.6g}"), abs(x), -x)))
