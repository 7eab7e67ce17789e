"""Every fact that a loss states about itself is true, and says as much as is true.

A bound that nothing comes near, or a "no" without an example, is as wrong as a broken promise: with its
default parameters a loss comes within 1 % of its bounds, elsewhere within a factor 2. Where targets are
probabilities, "the target" of perfection and of monotony is a certain one: a soft target has an entropy of
its own, and its weighted loss is least elsewhere.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from losses_under_test import (
    K,
    cases,
    distributions,
    draw,
    hard,
    has_labels,
    is_batch,
    is_class,
    is_row,
    members,
    name,
)
from scipy import optimize, stats

import amiss
from amiss.core import Combination

FAR = 30.0
"""A logit that stands for certainty."""

COMBINATIONS = [
    0.5 * amiss.SquaredError(),
    amiss.SquaredError() + 2 * amiss.AbsoluteError(),
    0.3 * amiss.Huber(delta=2.0) + 0.7 * amiss.AbsoluteError(),
    amiss.CrossEntropy() + 0.5 * amiss.CrossEntropy(label_smoothing=0.3),
]


# --- places to look at -----------------------------------------------------------------------------------
def first(loss):
    """Return the loss itself, or the first term of a sum: it knows the domains."""
    return loss.parts[0][1] if isinstance(loss, Combination) else loss


def is_default(loss):
    return not isinstance(loss, Combination) and loss == type(loss)(
        **{key: getattr(loss, key) for key, about in loss.parameters().items() if "choices" in about}
    )


def linked(loss, mean, link=None):
    """Return the finite prediction that stands for a mean or for probabilities."""
    link = link or loss.facts.link
    if link == "identity":
        return mean
    with np.errstate(divide="ignore"):
        if link == "logit":
            return np.clip(np.log(mean) - np.log1p(-mean), -FAR, FAR)
        return np.maximum(np.log(mean), -FAR)  # softmax and log


def means(loss, count, seed=0):
    """Return means inside the domain of the targets, often near its ends: numbers, or rows that sum to 1."""
    rng = np.random.default_rng(seed)
    if is_class(first(loss)):
        return np.concatenate([rng.dirichlet(np.full(K, a), count // 2) for a in (0.2, 2.0)])
    if not has_labels(first(loss)) or members(first(loss)):
        shape = (count, K) if is_row(first(loss)) else (count,)
        return clamped(first(loss), rng.normal(scale=3.0, size=shape))
    near = rng.uniform(size=count) ** rng.choice([1, 6], count)
    return rng.permuted(np.stack([near, 1 - near]), axis=0)[0]


def clamped(loss, mean):
    """Return means that a target may have: counts are not negative."""
    return np.abs(mean) if loss.target_domain.low == 0.0 else mean


def predictions(loss, count=300, seed=0):
    """Return predictions all over the domain: ordinary ones, far ones, ties, and those near an end."""
    rng, plain = np.random.default_rng(seed), first(loss)
    domain = plain.prediction_domain
    ordinary, _ = draw(plain, (count,), seed)
    if np.isinf(domain.low) or np.isinf(domain.high):
        far = ordinary * 10.0 ** rng.uniform(
            -9, 8 if np.isinf(domain.high) else 2, (count, *[1] * (ordinary.ndim - 1))
        )
        far = np.minimum(far, domain.high)
        corners = np.array([max(-50.0, domain.low), 0.0, min(50.0, domain.high)])
    else:
        far = domain.low + (ordinary - domain.low) ** 8
        far[::2] = domain.high - far[::2]
        corners = np.array([domain.low, domain.high, (domain.low + domain.high) / 2])
    if is_row(plain):
        corners = np.stack(np.meshgrid(*[corners] * K), -1).reshape(-1, K)
    return np.concatenate([ordinary, far, corners])


def targets(loss, prediction, seed=0):
    """Return soft and certain targets, and for measured ones also the prediction itself, one per item."""
    plain, items = first(loss), len(prediction)
    _, soft = draw(plain, (items,), seed)
    mixed = np.where(
        np.arange(items).reshape(-1, *[1] * (soft.ndim - 1)) % 3 == 0, soft, hard(plain, (items,), seed)
    )
    if plain.target_domain.everything:
        mixed[::7] = prediction[::7]
    return mixed


def points(loss):
    """Return predictions with targets."""
    prediction = predictions(loss)
    return prediction, targets(loss, prediction)


def each(loss, method, *arrays):
    """Return a quantity of each item; an item of a batch loss is a batch of its own."""
    if not is_batch(first(loss)):
        return method(*arrays, reduction="none" if method == loss else "sum")
    found = [method(*(x[None] for x in items)) for items in zip(*arrays, strict=True)]
    return np.array([np.asarray(x).reshape(np.shape(x)[1:]) for x in found])


def value(loss, prediction, target):
    return each(loss, loss, prediction, target)


def gradient(loss, prediction, target):
    return each(loss, loss.gradient, prediction, target)


def size(loss, x):
    """Return the norm of each item."""
    return np.linalg.norm(x, axis=-1) if is_row(first(loss)) else np.abs(x)


def line(loss, entry_target):
    """Return, for one target, a segment of the domain as a function of a number, and its ends."""
    domain = first(loss).prediction_domain
    low, high = max(domain.low, -50.0), min(domain.high, 50.0)
    if not is_row(first(loss)):
        return lambda s: s, low, high
    base = np.full(K, (low + high) / 2)
    k = int(np.argmax(entry_target))
    return lambda s: np.where(np.arange(K) == k, np.reshape(s, (-1, 1)), base), low, high


def jumps(loss, target):
    """Return where the gradient jumps inside the domain and how far, by halving the worst intervals."""
    along, low, high = line(loss, target)
    inset = (high - low) * 1e-9

    def slope(s):
        s = np.atleast_1d(s)
        rows = along(s)
        found = gradient(loss, rows, np.broadcast_to(target, rows.shape))
        return found[:, int(np.argmax(target))] if found.ndim > 1 else found

    grid = np.linspace(low + inset, high - inset, 2000)
    change = np.abs(np.diff(slope(grid)))
    found = []
    for start in np.argsort(change)[-5:]:
        left, right = grid[start], grid[start + 1]
        while True:
            middle = (left + right) / 2
            if middle in (left, right):
                break
            a, b, c = slope(np.array([left, middle, right]))
            left, right = (left, middle) if abs(b - a) >= abs(c - b) else (middle, right)
        a, b = slope(np.array([left, right]))
        if abs(b - a) > 1e-6 * (1 + min(abs(a), abs(b))):
            found.append((left, abs(b - a)))
    return found


def some_targets(loss):
    """Return a few single targets, soft and certain."""
    plain = first(loss)
    certain = hard(plain, (8,))
    _, soft = draw(plain, (2,))
    return [*np.unique(certain, axis=0), *soft]


# --- the checks, one for each fact --------------------------------------------------------------------------
def check_convex(loss, facts):
    prediction, target = points(loss)
    rng = np.random.default_rng(1)
    other = rng.permutation(prediction)
    share = rng.uniform(size=(len(prediction), *[1] * (prediction.ndim - 1)))
    between = share * prediction + (1 - share) * other
    ends = value(loss, prediction, target), value(loss, other, target)
    with np.errstate(invalid="ignore"):
        chord = share.reshape(-1) * ends[0] + (1 - share.reshape(-1)) * ends[1]
        excess = value(loss, between, target) - chord
    excess = excess[np.isfinite(chord)] / (1 + np.abs(chord[np.isfinite(chord)]))
    assert (excess.max() < 1e-12) == facts.convex, f"the value exceeds a chord by {excess.max()}"


def check_lipschitz(loss, facts):
    norms = size(loss, gradient(loss, *points(loss)))
    if facts.lipschitz is None:
        assert norms.max() < 1e6
        return
    if facts.lipschitz == math.inf:
        assert norms.max() > 1e6, f"no gradient is longer than {norms.max()}"
        return
    assert norms.max() <= facts.lipschitz * (1 + 1e-12), f"a gradient has length {norms.max()}"
    if not isinstance(loss, Combination):
        assert norms.max() >= facts.lipschitz * (0.99 if is_default(loss) else 0.5)


def curvatures(loss, prediction, target):
    """Return the largest curvature of each item in any direction."""
    if not is_row(first(loss)):
        return np.abs(each(loss, loss.hessian, prediction, target))
    columns = [np.broadcast_to(direction, prediction.shape) for direction in np.eye(K)]
    matrices = np.stack([each(loss, loss.hessian_product, prediction, target, v) for v in columns], -1)
    return np.max(np.abs(np.linalg.eigvalsh(np.where(np.isfinite(matrices), matrices, 1e300))), axis=-1)


def check_smoothness(loss, facts):
    steepest = curvatures(loss, *points(loss)).max()
    if facts.smoothness is None:
        assert steepest < 1e6
        return
    found = [jump for target in some_targets(loss) for jump in jumps(loss, target)]
    if facts.smoothness == math.inf:
        assert found or steepest > 1e6, f"no gradient changes faster than {steepest}"
        return
    assert not found, f"the gradient jumps at {found[0][0]}"
    assert steepest <= facts.smoothness * (1 + 1e-12), f"a curvature is {steepest}"
    if not isinstance(loss, Combination):
        assert steepest >= facts.smoothness * (0.99 if is_default(loss) else 0.5), f"none is above {steepest}"


KINKS = {
    "everywhere": lambda loss, target: [],
    "not at error 0": lambda loss, target: [target],
    "not at score * target = margin": lambda loss, target: [loss.margin * target],
    "not at the clipping points": lambda loss, target: [loss.epsilon, 1 - loss.epsilon],
    "not at the clipping point": lambda loss, target: [loss.epsilon],
    "not at probabilities 0 and 1": lambda loss, target: [],
    "not at probability 0": lambda loss, target: [],
    "not at rate 0": lambda loss, target: [],
    "not where every error is 0": lambda loss, target: [target],
    "not at a vector of zeros": lambda loss, target: [0.0],
}
"""Where the gradient jumps inside the domain."""

INFINITE_ENDS = {
    "not at probabilities 0 and 1": (0.0, 1.0),
    "not at probability 0": (0.0,),
    "not at rate 0": (0.0,),
}
"""Where the gradient of the wrong certain target is infinite."""


def check_differentiable(loss, facts):
    assert facts.differentiable in KINKS, "a new text: say in KINKS where that is"
    met = []
    for target in some_targets(loss):
        allowed = np.array(KINKS[facts.differentiable](first(loss), target), float)
        for place, jump in jumps(loss, target):
            assert allowed.size, f"the gradient jumps by {jump} at {place}"
            assert np.min(np.abs(allowed - place)) < 1e-9, f"the gradient jumps by {jump} at {place}"
            met.append(place)
    assert bool(met) == bool(KINKS[facts.differentiable](first(loss), some_targets(loss)[0])), (
        "no jump was found"
    )
    infinite = set()
    for target in some_targets(loss):
        along, low, high = line(loss, target)
        for end in (low, high):
            prediction = along(np.array([end]))
            if np.isinf(gradient(loss, prediction, np.broadcast_to(target, prediction.shape))).any():
                infinite.add(end)
    assert infinite == set(INFINITE_ENDS.get(facts.differentiable, ()))
    if facts.differentiable == "not at a vector of zeros":
        near = 1e-9 * np.eye(K)
        assert np.all(size(loss, gradient(loss, near, np.ones((K, K)))) > 1e8)


def check_lower_bound(loss, facts):
    if facts.lower_bound == -math.inf:
        target = 10.0 ** np.arange(6)
        assert value(loss, linked(loss, target), target).min() < -1e5
        return
    prediction, target = points(loss)
    values = value(loss, distributions(first(loss), prediction), target)
    assert np.nanmin(values) >= facts.lower_bound - 1e-12, f"a value is {np.nanmin(values)}"
    if is_default(loss):
        assert np.nanmin(values) <= facts.lower_bound + 1e-9, f"no value is below {np.nanmin(values)}"


def check_zero_at_perfection(loss, facts):
    target = hard(first(loss), (40,))
    values = value(loss, linked(loss, target), target)
    assert np.all(values == 0.0) == facts.zero_at_perfection, f"at perfection the values are {values[:3]}"


def check_monotone(loss, facts):
    target = hard(first(loss), (60,))
    away = means(loss, 60)
    steps = np.linspace(0.0, 1.0, 41)
    path = np.array([value(loss, linked(loss, target + step * (away - target)), target) for step in steps])
    falls = np.diff(path, axis=0) < -1e-9 * (1 + np.abs(path[1:]))
    assert falls.any() != facts.monotone, "a value falls" if falls.any() else "no value falls"


def check_symmetric(loss, facts):
    probable = has_labels(first(loss)) and not members(first(loss))
    mean = means(loss, 60, seed=1) if probable else hard(first(loss), (60,))
    error = means(loss, 60, seed=2) - means(loss, 60, seed=3)
    if probable:
        room = np.minimum(mean, 1 - mean) / np.abs(error)
        error *= 0.9 * (room.min(-1, keepdims=True) if room.ndim > 1 else room)
    elif first(loss).target_domain.low == 0.0:
        mean, error = 1.0 + mean, np.clip(error, -0.9, 0.9)
    above, below = (value(loss, linked(loss, mean + e), mean) for e in (error, -error))
    same = np.abs(above - below) <= 1e-9 * (1 + np.abs(above))
    assert same.all() == facts.symmetric


def _smoothed(loss, target, classes):
    smoothing = getattr(loss, "label_smoothing", 0.0)
    return target * (1 - smoothing) + smoothing / classes


def _weighted_mean(loss, target):
    yes = loss.positive_weight * _smoothed(loss, target, 2).sum()
    return yes / (yes + _smoothed(loss, 1 - target, 2).sum())


def _weighted_frequencies(loss, target):
    share = (np.array(loss.class_weight or [1.0] * K) * _smoothed(loss, target, K)).sum(0)
    return share / share.sum()


def _zero_of_mean(slope, target):
    low, high = target.min(), target.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle - target).sum() < 0 else (low, middle)
    return middle


def _huber_location(loss, target):
    return _zero_of_mean(lambda error: np.clip(error, -loss.delta, loss.delta), target)


def _focal_mean(loss, target):
    yes, no = loss.positive_weight * target.sum(), loss.negative_weight * (1 - target).sum()

    def cost(p):
        return -yes * (1 - p) ** loss.gamma * np.log(p) - no * p**loss.gamma * np.log1p(-p)

    return optimize.minimize_scalar(
        cost, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-12}
    ).x


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


STATISTICS = {
    "mean": lambda loss, target: target.mean(0),
    "focal mean": _focal_mean,
    "mean direction": lambda loss, target: _unit(target).mean(0),
    "median": lambda loss, target: np.median(target),
    "Huber location": _huber_location,
    "zero of the mean tanh": lambda loss, target: _zero_of_mean(np.tanh, target),
    "quantile": lambda loss, target: np.quantile(target, loss.quantile, method="inverted_cdf"),
    "log of the mean exponential": lambda loss, target: -np.log(np.exp(-loss.a * target).mean()) / loss.a,
    "mean sign times the margin": lambda loss, target: target.mean() * loss.margin,
    "majority sign": lambda loss, target: np.sign(target.sum()) * loss.margin,
    "class frequencies": lambda loss, target: target.mean(0),
    "weighted mean": _weighted_mean,
    "weighted frequencies": _weighted_frequencies,
    "depends on the terms": None,
    "depends on the classes": None,
}
"""What a constant prediction converges to, in the space of the targets."""


def check_minimiser(loss, facts):
    assert facts.minimiser in STATISTICS, "a new name: say in STATISTICS what it means"
    statistic = STATISTICS[facts.minimiser]
    if statistic is None:
        return
    plain = first(loss)
    target = hard(plain, (61,)) if has_labels(plain) else draw(plain, (61,))[1]
    best = statistic(plain, target)

    def mean_loss(constant):
        prediction = np.broadcast_to(linked(loss, constant), target.shape)
        return loss(prediction, target)

    least = mean_loss(best)
    inside = has_labels(plain) and not members(plain)
    for other in means(loss, 20):
        for share in (1e-3, 0.1):
            constant = clamped(plain, best + share * (other - best) if inside else best + share * other)
            assert mean_loss(constant) >= least - 1e-13, f"{constant} is better than {best}"
            if share == 0.1:
                assert mean_loss(constant) > least, f"{constant} is as good as {best}"


DISTRIBUTIONS = {
    "hyperbolic secant": lambda mean, target: stats.hypsecant.logpdf(target, loc=mean),
    "normal": lambda mean, target: stats.norm.logpdf(target, loc=mean),
    "Laplace": lambda mean, target: stats.laplace.logpdf(target, loc=mean),
    "Poisson": lambda mean, target: stats.poisson.logpmf(target, mean),
    "von Mises-Fisher": lambda mean, target: np.sum(_unit(mean) * _unit(target), axis=-1),
    "Bernoulli": lambda mean, target: stats.bernoulli.logpmf(target, mean),
    "categorical": lambda mean, target: np.sum(target * np.log(mean), axis=-1),
}


def check_likelihood(loss, facts):
    if facts.likelihood is None:
        return
    target, mean, other = hard(first(loss), (60,)), means(loss, 60, seed=4), means(loss, 60, seed=5)
    if first(loss).facts.link in ("logit", "softmax"):  # beyond, `linked` would cut logits off
        mean, other = (np.clip(x, 1e-12, 1 - 1e-12) for x in (mean, other))
        if mean.ndim > 1:
            mean, other = (x / x.sum(-1, keepdims=True) for x in (mean, other))
    log_density = DISTRIBUTIONS[facts.likelihood]
    surprise = log_density(other, target) - log_density(mean, target)
    found = value(loss, linked(loss, mean), target) - value(loss, linked(loss, other), target)
    factor = found[0] / surprise[0]
    assert factor > 0
    np.testing.assert_allclose(found, factor * surprise, rtol=1e-9, atol=1e-9)


def check_link(loss, facts):
    mean = means(loss, 30)
    if has_labels(first(loss)) and facts.link != "identity":
        mean = np.clip(mean, 1e-9, 1 - 1e-9)
        mean = mean / mean.sum(-1, keepdims=True) if mean.ndim > 1 else mean
    target = hard(first(loss), (30,))
    np.testing.assert_allclose(
        loss.error(linked(loss, mean, facts.link), target), mean - target, rtol=1e-9, atol=1e-12
    )


def check_hessian(loss, facts):
    prediction, target = draw(first(loss), (200,), scale=3.0)
    zero = np.all(loss.hessian(prediction, target) == 0.0)
    assert zero == (facts.hessian == "zero almost everywhere")


CHECKS = {
    name.removeprefix("check_"): check for name, check in dict(globals()).items() if name.startswith("check_")
}


@pytest.mark.parametrize("fact", CHECKS)
@pytest.mark.parametrize("loss", [*cases(), *COMBINATIONS], ids=name)
def test_the_fact_is_true(loss, fact):
    CHECKS[fact](loss, loss.facts)


def test_every_field_of_facts_has_a_check():
    assert set(CHECKS) == set(amiss.Facts.__dataclass_fields__)


@pytest.mark.parametrize(
    ("loss", "planted"),
    [
        (amiss.SquaredError(), {"lipschitz": 10.0}),
        (amiss.AbsoluteError(), {"lipschitz": 3.0}),
        (amiss.AbsoluteError(), {"minimiser": "mean"}),
        (amiss.AbsoluteError(), {"smoothness": 1.0}),
        (amiss.Hinge(), {"differentiable": "everywhere"}),
        (amiss.Huber(), {"differentiable": "not at error 0"}),
        (amiss.Huber(), {"likelihood": "normal"}),
        (amiss.BinaryCrossEntropy(), {"symmetric": True}),
        (amiss.BinaryCrossEntropy(), {"lower_bound": -1.0}),
        (amiss.BinaryCrossEntropy(), {"link": "identity"}),
        (amiss.CrossEntropy(), {"convex": False}),
        (amiss.CrossEntropy(), {"hessian": "zero almost everywhere"}),
        (amiss.CrossEntropy(), {"zero_at_perfection": True}),
        (amiss.Hinge(margin=3.0), {"monotone": True}),
    ],
    ids=lambda x: name(x) if isinstance(x, amiss.Loss) else next(iter(x)),
)
def test_a_planted_false_fact_is_caught(loss, planted):
    (fact,) = planted
    with pytest.raises(AssertionError):
        CHECKS[fact](loss, replace(loss.facts, **planted))
