"""The distance of computed numbers from exact ones, in units of the last place (ULP).

The truth is a formula in its textbook form on numbers of 400 digits, or of more where a float is so large
that 400 would not do.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from losses_under_test import K, has_labels, items_of, members, numeric, replaced

from amiss.arrays.precise import PreciseNamespace
from amiss.core import RowLoss

QUANTITIES = ("value", "gradient", "hessian")

TAILS = np.array([0.0, 1e-30, 1e-7, 1e-3, 0.5, 1.0, 12.0, 15.0, 17.0, 36.0, 37.0, 60.0, 88.0, 700.0, 1e3])
"""Sizes of logits at which naive formulas lose digits: 17 in float32, 37 in float64; 88 and 700 underflow."""

SHIFTS = (-7.3, 1e3, -1e6)
"""What is added to all logits of a row."""


HARD = {
    "BinaryCrossEntropy logits": (
        *((1.0767817497253418, 0.961970329284668), (-8.067102432250977, 0.5385064482688904)),
        *((-1.3012045621871948, 0.6202649474143982), (0.9427913376841371, 0.983415777701454)),
        *((-1.9005067683274457, 1.0), (-1.0397938361724313, 0.15385237979809596)),
        *((1.0887813568115234, 0.9687073230743408), (0.2645259152815639, 0.5807348667351454)),
        *((0.16100538981406318, 0.7811937282880763), (2.749584913253784, 0.9999565482139587)),
        *((88.25, 0.3), (-88.31, 0.71)),
    ),
    "BinaryCrossEntropy probabilities": (
        *((5.223047477915403e-20, 0.10047467797994614), (0.2141561657190323, 0.6314228773117065)),
        *((0.7915514707565308, 0.8463779091835022), (0.1088774568095967, 0.8064914350866441)),
        *((0.001117294510737637, 0.17903589348593607), (0.8094991481004412, 0.12872843760435437)),
        *((0.4970397651195526, 0.03145953640341759), (0.016054390700945376, 0.17506396175008865)),
        *((0.16995784640312195, 0.07797005027532578), (0.3515283873240357, 0.7355234958492722)),
    ),
    "Huber": ((-0.0988740548491478, -0.22655673325061798), (2.833313165144355, 6.8352738296198625)),
    "LogCosh": (
        *((0.5329748392105103, 0.17767535150051117), (-17.59160614013672, 26.077878952026367)),
        *((2.6987831969194076e-09, 0.030529309064149857), (-3.4901829936970816e-17, 0.08737345387259397)),
        *((230.27803718541304, -39.70360806083781), (0.19565895199775696, 0.7039341926574707)),
        *((-5.946705333634637e-17, 0.5028672400322178), (371.9734189052186, 17.325958987846843)),
    ),
    "Linex": (
        *((25.899559020996094, -41.72819900512695), (-164.43218994140625, 7.072153091430664)),
        *((549.9982496883237, -7.308382441803419), (-1376.8448048890712, -11.503154961173209)),
        *((-2.118473768234253, 0.0), (-68.22836303710938, -24.063169479370117)),
        *((0.8964538255658463, 0.0), (371.9734189052186, 17.325958987846843)),
    ),
}
"""Predictions and targets where a search over millions of each found the largest errors of a kernel."""


# --- inputs ----------------------------------------------------------------------------------------------
def in_dtype(loss, dtype):
    """Return the loss whose numeric parameters are those that a dtype can hold."""
    return replaced(loss, **{key: float(dtype(getattr(loss, key))) for key in numeric(loss)})


def awkward(loss):
    """Return the loss with parameters inside their ranges that use all bits, so that every product rounds."""
    ranges = {key: about["typical"] for key, about in numeric(loss).items()}
    return [
        replaced(loss, **{key: low + share * (high - low) for key, (low, high) in ranges.items()})
        for share in (0.37, 0.81)
        if ranges
    ]


def is_probability(domain):
    return bool(np.isfinite(domain.low) and np.isfinite(domain.high))


def predictions(loss, dtype, rng):
    """Return ordinary predictions of a loss and those where formulas lose digits, as numbers or rows."""
    domain, info = loss.prediction_domain, np.finfo(dtype)
    if is_probability(domain):
        near = np.array([info.smallest_subnormal, info.tiny, 5e-20, 1e-30, 1e-7, info.epsneg, 0.01, 0.3, 0.5])
        single = np.concatenate([near, 1.0 - near[4:], [0.37, 0.4142], rng.uniform(size=12)])
    else:
        random = np.concatenate([rng.normal(scale=3.0, size=12), rng.normal(scale=30.0, size=12)])
        small = [info.tiny, -info.tiny / 3.0, info.smallest_subnormal]
        single = np.concatenate([TAILS, -TAILS, small, random])
        if np.isfinite(domain.low):
            single = domain.low + np.abs(single)
        if np.isfinite(domain.high):
            single = domain.high - np.abs(single)
    if not isinstance(loss, RowLoss):
        return single.astype(dtype)
    rows = rng.permuted(np.tile(single, (K, 1)), axis=1).T
    if np.isinf(domain.high):
        gaps = np.stack([TAILS, 0.0 * TAILS, -TAILS / 3.0], axis=-1)
        rows = np.concatenate([rows, *(gaps + shift for shift in SHIFTS)])
        if has_labels(loss):
            rows = np.concatenate([rows, [[0.0] * K, [1.0] * (K - 1) + [0.0]]])
    return rows.astype(dtype)


def pairs(loss, dtype, seed=0):
    """Return predictions with certain and with soft targets, and which of them have certain ones."""
    rng = np.random.default_rng(seed)
    prediction = predictions(loss, dtype, rng)
    prediction, target, certain = (with_labels if has_labels(loss) else with_numbers)(loss, prediction, rng)
    if key_of(loss) not in HARD:
        return prediction, target, certain
    hard = np.array(HARD[key_of(loss)], dtype).T
    certain = np.concatenate([certain, np.full(hard.shape[1], False)])
    return np.concatenate([prediction, hard[0]]), np.concatenate([target, hard[1]]), certain


def with_numbers(loss, prediction, rng):
    """Return predictions repeated with targets that are measured: one number, near ones and far ones."""
    if not isinstance(loss, RowLoss):
        large = np.array([1e15, -1e15, 1e30, -1e30], prediction.dtype)
        prediction = np.concatenate([prediction, large[loss.prediction_domain.contains(large)]])
    near = prediction * (1 + 4 * np.finfo(prediction.dtype).eps * rng.integers(-3, 3, prediction.shape))
    beside, far = (prediction + rng.normal(scale=scale, size=prediction.shape) for scale in (1.0, 30.0))
    fixed = np.ones_like(prediction) if isinstance(loss, RowLoss) else np.zeros_like(prediction)
    target = np.maximum(np.concatenate([fixed, near, beside, far]), loss.target_domain.low)
    return np.concatenate([prediction] * 4), target.astype(prediction.dtype), np.full(len(target), True)


def key_of(loss):
    """Return the name of a loss with what its prediction is."""
    return " ".join((type(loss).__name__, *([loss.input] if hasattr(loss, "input") else [])))


def with_labels(loss, prediction, rng):
    """Return predictions repeated with every certain target and, unless labels are few, with soft ones."""
    targets = certain_targets(loss, prediction)
    sure = [True] * len(targets)
    if not members(loss):
        soft = (
            rng.dirichlet(np.ones(K), len(prediction))
            if prediction.ndim > 1
            else rng.uniform(size=len(prediction))
        )
        targets, sure = [*targets, soft], [*sure, False]
    target = np.concatenate(targets).astype(prediction.dtype)
    return np.concatenate([prediction] * len(targets)), target, np.repeat(sure, len(prediction))


def certain_targets(loss, prediction):
    """Return every certain target, each in the shape of the predictions."""
    if isinstance(loss, RowLoss):
        return [np.broadcast_to(row, prediction.shape) for row in np.eye(K)]
    ends = (loss.target_domain.low, loss.target_domain.high)
    return [np.full(prediction.shape, end) for end in members(loss) or ends]


def extremes(loss, dtype, seed=0):
    """Return the ends of the predictions, with targets: 0 and 1, the largest float, infinity."""
    domain, largest, inf = loss.prediction_domain, float(np.finfo(dtype).max), np.inf
    ends = np.array([largest, -largest, inf, -inf, 0.0, 1.0])
    if isinstance(loss, RowLoss):
        rows = [[largest, 0.0, -1.0], [largest, largest, 1.0], [-largest, -1.0, 0.0]]
        masked = [[inf, 0.0, 1.0], [inf, inf, 0.0], [-inf, 0.0, 1.0], [1.0, -inf, -inf], [-inf, -inf, -inf]]
        shares = [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0]]
        ends = np.array(rows + masked + shares if has_labels(loss) else rows) / (1 if has_labels(loss) else 4)
        ends = ends[domain.contains(ends).all(-1)]
    prediction = ends[domain.contains(ends)] if ends.ndim == 1 else ends
    prediction = prediction.astype(dtype)
    if has_labels(loss):
        return with_labels(loss, prediction, np.random.default_rng(seed))
    target = np.concatenate([np.full_like(prediction, 0.25), np.full_like(prediction, 1.5)])
    return np.concatenate([prediction] * 2), target, np.full(len(target), True)


# --- truth -----------------------------------------------------------------------------------------------
class Oracle(PreciseNamespace):
    """Long numbers. It remembers, as the same logits come with many targets and parameters."""

    def __init__(self, digits):
        super().__init__(digits)
        for function in ("exp", "expm1", "log", "tanh", "cosh"):
            setattr(self.context, function, cache(getattr(self.context, function)))

    def limit(self, prediction, domain, quantity):
        """Return the numbers that a prediction stands for, as its results at an end are limits.

        Infinity is a number beyond all floats. A probability of 0 or 1 is one closer to it than any float
        where a derivative is asked, which may be infinite there; the value is that at the end itself.
        """
        beyond, zero, one = (self.context.mpf(text) for text in ("1e320", "1e-5000", "1e-350"))

        def number(x):
            if abs(x) == np.inf:
                return beyond if x > 0 else -beyond
            if quantity != "value" and x == domain.low == 0.0:
                return zero
            return 1 - one if quantity != "value" and x == domain.high == 1.0 else x

        return self.lift(number, self.array(prediction))


oracle = cache(Oracle)


def apply(loss, quantity, xp, prediction, target):
    """Return a quantity of each item by its formula on any namespace."""
    if quantity == "value":
        return items_of(loss, xp, prediction, target)
    return getattr(loss, f"_{quantity}")(xp, prediction, target)


def exact(loss, quantity, prediction, target, digits=400):
    """Return exact results, with errors counted in the larger of two terms where they are subtracted."""
    xp, dtype = oracle(digits), prediction.dtype.type
    prediction, target = xp.limit(prediction, loss.prediction_domain, quantity), xp.array(target)
    truth = apply(loss, quantity, xp, prediction, target)
    terms = [truth]
    if quantity == "gradient" and has_labels(loss) and not members(loss):
        terms = pulls(loss, xp, prediction, target)
    elif (type(loss).__name__, quantity) in TERMS:
        epsilon = float(np.finfo(dtype).eps)
        terms += TERMS[type(loss).__name__, quantity](loss, xp, prediction, target, epsilon)
    return rounded(truth, np.max([np.broadcast_to(abs(term), truth.shape) for term in terms], axis=0), dtype)


def pulls(loss, xp, prediction, target):
    """Return what the classes of a target pull a prediction up and down: the gradient is the difference.

    A gradient such as p - t is that of each certain target times the share of its class, and what is positive
    and what is negative is rounded before it meets.
    """
    smoothing = xp.number(getattr(loss, "label_smoothing", 0.0))
    plain = replaced(loss, label_smoothing=0.0) if smoothing else loss
    up = down = 0 * target
    for k, certain in enumerate(certain_targets(loss, prediction)):
        share = target[:, k : k + 1] if isinstance(loss, RowLoss) else target if k else 1 - target
        share = share * (1 - smoothing) + smoothing / (K if isinstance(loss, RowLoss) else 2)
        pull = xp.weigh(share, plain._gradient(xp, prediction, xp.array(certain)))
        up, down = up + xp.relu(pull), down + xp.relu(-pull)
    return up, down


@dataclass(frozen=True)
class Exact:
    """Exact results: the nearest floats, what they leave over in ULP, and how large an ULP is."""

    nearest: np.ndarray
    rest: np.ndarray
    unit: np.ndarray

    def __getitem__(self, index):
        return Exact(self.nearest[index], self.rest[index], self.unit[index])

    def errors(self, computed, floor=0.0):
        """Return the errors of computed numbers in ULP, which count as no smaller than those of `floor`.

        Only what overflows is infinite, with the right sign; the last bits may bring it there early.
        """
        dtype = computed.dtype.type
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs((computed.astype(float) - self.nearest) / self.unit - self.rest)
            off = off * (self.unit / np.maximum(self.unit, last_place(dtype(floor)) if floor else 0.0))
        close = np.abs(self.nearest) > float(np.finfo(dtype).max) * (1 - 2.0**-20)
        rightly = np.isinf(computed) & close & (np.sign(computed) == np.sign(self.nearest))
        return np.where(
            rightly, 0.0, np.where(np.isfinite(computed) & np.isfinite(self.nearest), off, np.inf)
        )


def last_place(x):
    """Return the unit in the last place of a float; that of the largest floats is not infinite."""
    half = np.finfo(x.dtype).max / 2
    return float(np.spacing(x)) if x <= half else 2.0 * float(np.spacing(half))


def rounded(truth, scale, dtype):
    """Return exact numbers as floats of a dtype and what these leave over."""
    largest = float(np.finfo(dtype).max)

    def one(true, size):
        nearest = float(dtype(float(true)))
        unit = last_place(dtype(min(float(max(abs(true), size)), largest)))
        return nearest, float((true - nearest) / unit) if np.isfinite(nearest) else 0.0, unit

    with np.errstate(over="ignore"):
        parts = np.frompyfunc(one, 2, 3)(truth, scale)
    return Exact(*(np.asarray(part, float) for part in parts))


# --- terms that are subtracted -----------------------------------------------------------------------------
def poisson_value(loss, xp, prediction, target, epsilon):
    if loss.input == "log_rate":
        return [xp.exp(prediction), target * prediction]
    return [prediction, xp.xlogy(target, prediction)]


def poisson_gradient(loss, xp, prediction, target, epsilon):
    return [xp.exp(prediction), target] if loss.input == "log_rate" else []


def focal_hessian(loss, xp, prediction, target, epsilon):
    def terms(z, weight):
        p, rest, cost = xp.sigmoid(z), xp.sigmoid(-z), xp.softplus(-z)
        faded = weight * rest ** xp.number(loss.gamma)
        steep = (loss.gamma**2 * p * p * cost, loss.gamma * rest * p * cost, (2 * loss.gamma + 1) * p * rest)
        return [faded * term for term in steep]

    yes, no = loss.positive_weight * target, loss.negative_weight * (1 - target)
    return [*terms(prediction, yes), *terms(-prediction, no)]


def divergence_value(loss, xp, prediction, target, epsilon):
    logs = {"probabilities": xp.log, "logits": xp.log_softmax, "log_probabilities": lambda x: x}[loss.input]
    logs = logs(prediction)
    if loss.input == "probabilities":
        return list(xp.weigh(target, xp.log(target) - logs).T)
    return [*xp.weigh(target, xp.log(target)).T, *xp.weigh(target, logs).T]


def _directions(xp, prediction, target):
    """Return unit vectors u and v, v - u, half its square, and the length of the prediction."""
    lengths = [xp.sqrt(xp.sum(x * x)) for x in (prediction, target)]
    u, v = prediction / lengths[0], target / lengths[1]
    return u, v, v - u, xp.sum((v - u) * (v - u)) / 2, lengths[0]


def cosine_value(loss, xp, prediction, target, epsilon):
    u, v, gap, _, _ = _directions(xp, prediction, target)
    larger = np.maximum(abs(u), abs(v))
    return list(((abs(gap) + xp.number(epsilon) * larger) * larger).T)


def cosine_gradient(loss, xp, prediction, target, epsilon):
    u, v, gap, distance, length = _directions(xp, prediction, target)
    return [np.max([abs(x) for x in (u, v, gap, distance * u)], axis=0).max(-1, keepdims=True) / length]


def cosine_hessian(loss, xp, prediction, target, epsilon):
    u, _, gap, distance, length = _directions(xp, prediction, target)
    bend = 2 * abs(u) * np.maximum(abs(gap), distance * abs(u))
    return [np.maximum(bend, xp.number(1.0)) / length / length]


TERMS = {
    ("Poisson", "value"): poisson_value,
    ("Poisson", "gradient"): poisson_gradient,
    ("BinaryFocal", "hessian"): focal_hessian,
    ("KLDivergence", "value"): divergence_value,
    ("CosineDistance", "value"): cosine_value,
    ("CosineDistance", "gradient"): cosine_gradient,
    ("CosineDistance", "hessian"): cosine_hessian,
}
"""The terms of what is a difference of rounded terms by its mathematics, so that it cancels somewhere."""
