"""A library's spelling, with that library's parameters, is what the library computes."""

import jax.numpy as jnp
import keras
import lightgbm
import numpy as np
import optax
import pytest
import torch
import xgboost
from catboost.utils import eval_metric
from scipy.special import gammaln
from sklearn import metrics

import amiss
from amiss import naming

RNG = np.random.default_rng(0)
X, Y = 2.0 * RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
LABELS, COUNTS = (Y > 0).astype(float), RNG.poisson(2.0, (6, 3)).astype(float)
P = 1.0 / (1.0 + np.exp(-X))
SIGNS = 2.0 * LABELS - 1.0
INDEX = np.array([0, 2, 1, 1, 2, 0])
Q = np.exp(X) / np.exp(X).sum(1, keepdims=True)
ROWS = RNG.dirichlet(np.ones(3), 6)
WEIGHT = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)

TORCH = [
    ("MSELoss", {}, X, Y),
    ("L1Loss", {}, X, Y),
    ("HuberLoss", {"delta": 0.5}, X, Y),
    ("SmoothL1Loss", {}, X, Y),
    ("SmoothL1Loss", {"beta": 2.0}, X, Y),
    ("BCELoss", {}, P, LABELS),
    ("BCEWithLogitsLoss", {"pos_weight": torch.tensor(3.0)}, X, LABELS),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, X, INDEX),
    ("CrossEntropyLoss", {"weight": WEIGHT, "ignore_index": 1}, X, INDEX),
    ("NLLLoss", {"weight": WEIGHT}, np.log(Q), INDEX),
    ("PoissonNLLLoss", {}, X, COUNTS),
    ("PoissonNLLLoss", {"log_input": False, "eps": 1e-12}, P, COUNTS),
    ("KLDivLoss", {"reduction": "batchmean"}, np.log(Q), ROWS),
]
KERAS = [
    ("MeanSquaredError", {}, X, Y),
    ("MeanAbsoluteError", {}, X, Y),
    ("Huber", {"delta": 0.5}, X, Y),
    ("LogCosh", {}, X, Y),
    ("BinaryCrossentropy", {}, P, LABELS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1, "axis": 0}, X, LABELS),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, Q, ROWS),
    ("CategoricalCrossentropy", {"from_logits": True}, X, ROWS),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, X, INDEX),
    ("Poisson", {}, P, COUNTS),
    ("Hinge", {}, X, SIGNS),
    ("SquaredHinge", {}, X, SIGNS),
]
OPTAX = [
    ("squared_error", {}, X, Y),
    ("l2_loss", {}, X, Y),
    ("huber_loss", {"delta": 0.5}, X, Y),
    ("log_cosh", {}, X, Y),
    ("sigmoid_binary_cross_entropy", {}, X, LABELS),
    ("softmax_cross_entropy", {"axis": 0}, X, ROWS),
    ("softmax_cross_entropy_with_integer_labels", {}, X, INDEX),
    ("losses.sigmoid_focal_loss", {"alpha": 0.3, "gamma": 1.5}, X, LABELS),
    ("losses.kl_divergence", {}, np.log(Q), ROWS),
    ("hinge_loss", {}, X, SIGNS),
    ("losses.perceptron_loss", {}, X, SIGNS),
    ("losses.cosine_distance", {}, X, Y),
]
SKLEARN = [
    ("mean_squared_error", {}, X, Y),
    ("mean_absolute_error", {}, X, Y),
    ("root_mean_squared_error", {}, X[:, 0], Y[:, 0]),
    ("mean_pinball_loss", {"alpha": 0.8}, X, Y),
    ("hinge_loss", {}, X[:, 0], SIGNS[:, 0]),
]


def ids(case):
    return case if isinstance(case, str) else ",".join(case) if isinstance(case, dict) else ""


@pytest.mark.parametrize(("name", "given", "prediction", "target"), TORCH, ids=ids)
def test_torch(name, given, prediction, target):
    theirs = getattr(torch.nn, name)(**given)(torch.tensor(prediction), torch.tensor(target)).item()
    assert amiss.get(f"torch.nn.{name}", **given)(prediction, target) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("name", "given", "prediction", "target"), KERAS, ids=ids)
def test_keras(name, given, prediction, target):
    theirs = getattr(keras.losses, name)(**given)(target, prediction.astype("float32"))
    ours = amiss.get(f"keras.losses.{name}", **given)(prediction, target)
    assert ours == pytest.approx(float(theirs), rel=2e-6)


@pytest.mark.parametrize(("name", "given", "prediction", "target"), OPTAX, ids=ids)
def test_optax(name, given, prediction, target):
    function = getattr(optax.losses, name.removeprefix("losses."))
    theirs = np.asarray(function(jnp.asarray(prediction), jnp.asarray(target), **given))
    ours = amiss.get(f"optax.{name}", **given)(prediction, target, reduction="none")
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "given", "prediction", "target"), SKLEARN, ids=ids)
def test_sklearn(name, given, prediction, target):
    theirs = getattr(metrics, name)(target, prediction, **given)
    assert amiss.get(f"sklearn.metrics.{name}", **given)(prediction, target) == pytest.approx(
        theirs, rel=1e-12
    )


# --- boosters: a row alone in a leaf has -g / (h + λ) there, and two λ tell g and h -------------------------
Z, ROW = X[:, 0].copy(), np.arange(6.0)[:, None]
PAIR = np.array([[0.0], [1.0]])
SMOOTHED = (30.0, 60.0)
RAW = {"output_margin": True}


def derivatives(leaves, target):
    """Return gradient and Hessian of each row, split from another whose gradient has the other sign."""
    low = 0.0 if set(target) <= {0.0, 1.0} else -30.0 if target.min() < 0.0 else 0.005
    high = 1.0 if low == 0.0 else 30.0
    found = []
    for z, y in zip(Z, target, strict=True):
        margin = np.full(2, z)
        pairs = (np.array([y, low]), np.array([y, high]))
        pair = next((p for p in pairs if np.prod(np.sign(leaves(p, margin, SMOOTHED[0]))) < 0.0), None)
        if pair is None:  # no gradient, no split
            found.append((0.0, 0.0))
            continue
        first, second = (1.0 / leaves(pair, margin, smoothing)[0] for smoothing in SMOOTHED)
        gradient = (SMOOTHED[0] - SMOOTHED[1]) / (second - first)
        found.append((gradient, -first * gradient - SMOOTHED[0]))
    return np.array(found).T


def of_xgboost(objective, target, **given):
    flat = {"max_depth": 1, "eta": 1.0, "min_child_weight": 0.0, "base_score": 0.5, "nthread": 1}

    def leaves(label, margin, smoothing):
        data = xgboost.DMatrix(PAIR, label=label, base_margin=margin)
        told = {"objective": objective, "lambda": smoothing, **flat, **given}
        return xgboost.train(told, data, 1).predict(xgboost.DMatrix(PAIR, base_margin=np.zeros(2)), **RAW)

    return derivatives(leaves, target)


def of_lightgbm(objective, target, **given):
    flat = {
        "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0.0, "num_leaves": 2,
        "learning_rate": 1.0, "boost_from_average": False, "num_threads": 1, "verbose": -1,
    }  # fmt: skip

    def leaves(label, margin, smoothing):  # of many copies, since it guesses the rows of a leaf from Hessians
        told = {"objective": objective, "lambda_l2": 999 * smoothing, **flat, **given}
        rows, labels, scores = (np.repeat(x, 999, axis=0) for x in (PAIR, label, margin))
        data = lightgbm.Dataset(rows, label=labels, init_score=scores, params=flat)
        return lightgbm.train(told, data, 1).predict(PAIR, raw_score=True)

    return derivatives(leaves, target)


ROW_LABELS, ROW_COUNTS, ROW_TARGET = LABELS[:, 0], COUNTS[:, 0], Y[:, 0]
BOOSTED = [
    (of_xgboost, "reg:squarederror", {}, ROW_TARGET, 1.0),
    (of_xgboost, "binary:logistic", {}, ROW_LABELS, 1.0),
    (of_xgboost, "binary:logistic", {"scale_pos_weight": 3.0}, ROW_LABELS, 1.0),
    (of_xgboost, "binary:logitraw", {}, ROW_LABELS, 1.0),
    (of_xgboost, "reg:logistic", {}, ROW_LABELS, 1.0),
    (of_xgboost, "count:poisson", {"max_delta_step": 0.7}, ROW_COUNTS, np.exp(0.7)),
    (of_lightgbm, "regression", {}, ROW_TARGET, 1.0),
    (of_lightgbm, "binary", {}, ROW_LABELS, 1.0),
    (of_lightgbm, "binary", {"scale_pos_weight": 3.0}, ROW_LABELS, 1.0),
    (of_lightgbm, "cross_entropy", {}, ROW_LABELS, 1.0),
    (of_lightgbm, "poisson", {"poisson_max_delta_step": 0.7}, ROW_COUNTS, np.exp(0.7)),
]


@pytest.mark.parametrize(("booster", "name", "given", "target", "steeper"), BOOSTED, ids=ids)
def test_a_booster_takes_the_gradient_and_the_hessian_that_is_said(booster, name, given, target, steeper):
    gradient, hessian = booster(name, target, **given)
    loss = amiss.get(f"{booster.__name__.removeprefix('of_')}.{name}", **given)
    ours, bend = loss.gradient_and_hessian(Z, target, reduction="sum")
    np.testing.assert_allclose(gradient, ours, rtol=3e-4, atol=1e-6)
    np.testing.assert_allclose(hessian, steeper * bend, rtol=3e-3, atol=1e-3)


@pytest.mark.parametrize("given", [{}, {"alpha": 0.4}])
def test_huber_of_lightgbm_has_the_gradient_and_a_hessian_of_1_everywhere(given):
    gradient, hessian = of_lightgbm("huber", ROW_TARGET, **given)
    loss = amiss.get("lightgbm.huber", **given)
    assert 0.0 in loss.hessian(Z, ROW_TARGET)
    np.testing.assert_allclose(gradient, loss.gradient(Z, ROW_TARGET, reduction="sum"), rtol=3e-4)
    np.testing.assert_allclose(hessian, 1.0, rtol=3e-3)


def metric_of_xgboost(objective, target, metric, margin=Z, **given):
    data = xgboost.DMatrix(ROW, label=target, base_margin=margin)
    told = {"objective": objective, "eval_metric": metric, "base_score": 0.5, "nthread": 1, **given}
    return float(xgboost.train(told, data, 0).eval(data).rpartition(":")[2])


def test_values_of_xgboost_where_it_refits_its_leaves():
    for name, metric, given in (
        ("reg:absoluteerror", "mae", {}),
        ("reg:quantileerror", "quantile", {"quantile_alpha": 0.8}),
    ):
        ours = amiss.get(f"xgboost.{name}", **given)(Z, ROW_TARGET)
        assert ours == pytest.approx(metric_of_xgboost(name, ROW_TARGET, metric, **given), rel=1e-5)


def test_softmax_and_hinge_of_xgboost():
    for name in ("multi:softprob", "multi:softmax"):
        theirs = metric_of_xgboost(name, INDEX, "mlogloss", X, num_class=3)
        assert amiss.get(f"xgboost.{name}", num_class=3)(X, INDEX) == pytest.approx(theirs, rel=1e-5)
    gradient, _ = of_xgboost("binary:hinge", ROW_LABELS)
    right = SIGNS[:, 0] * Z >= 1.0
    ours = amiss.get("xgboost.binary:hinge").gradient(Z, SIGNS[:, 0], reduction="sum")
    told = gradient != 0.0  # of a row whose other label costs nothing there is no split
    assert told.sum() >= 2
    assert not (told & right).any()
    np.testing.assert_allclose(gradient[told], ours[told], rtol=3e-4)


def metric_of_lightgbm(objective, target, score=Z, **given):
    noted = {}
    data = lightgbm.Dataset(ROW, label=target, init_score=score, params={"verbose": -1})
    told = {
        "objective": objective,
        "verbose": -1,
        "boost_from_average": False,
        "learning_rate": 1e-12,
        **given,
    }
    lightgbm.train(told, data, 1, valid_sets=[data], callbacks=[lightgbm.record_evaluation(noted)])
    return next(iter(noted["training"].values()))[0]


@pytest.mark.parametrize(
    ("name", "given"), [("regression_l1", {}), ("quantile", {}), ("quantile", {"alpha": 0.2})], ids=ids
)
def test_values_of_lightgbm_where_it_refits_its_leaves(name, given):
    theirs = metric_of_lightgbm(name, ROW_TARGET.astype("float32"), **given)
    ours = amiss.get(f"lightgbm.{name}", **given)(Z, ROW_TARGET.astype("float32"))
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_softmax_of_lightgbm():
    theirs = metric_of_lightgbm("multiclass", INDEX, X.ravel(order="F"), num_class=3)
    assert amiss.get("lightgbm.multiclass", num_class=3)(X, INDEX) == pytest.approx(theirs, rel=1e-6)


CATBOOST = [
    ("MAE", {}, ROW_TARGET, Z, "MAE"),
    ("Huber", {"delta": 0.5}, ROW_TARGET, Z, "Huber:delta=0.5"),
    ("Quantile", {}, ROW_TARGET, Z, "Quantile"),
    ("Quantile", {"alpha": 0.2}, ROW_TARGET, Z, "Quantile:alpha=0.2"),
    ("Logloss", {}, ROW_LABELS, Z, "Logloss"),
    ("CrossEntropy", {}, P[:, 1], Z, "CrossEntropy"),
    ("MultiClass", {}, INDEX, X, "MultiClass"),
    ("Poisson", {}, ROW_COUNTS, Z, "Poisson"),
]


@pytest.mark.parametrize(("name", "given", "target", "prediction", "metric"), CATBOOST, ids=ids)
def test_catboost(name, given, target, prediction, metric):
    (theirs,) = eval_metric(target, prediction, metric, thread_count=1)
    ours = amiss.get(f"catboost.{name}", **given)(prediction, target)
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_log_cosh_of_catboost_has_four_digits():
    (theirs,) = eval_metric(ROW_TARGET, Z, "LogCosh", thread_count=1)
    assert amiss.get("catboost.LogCosh")(Z, ROW_TARGET) == pytest.approx(theirs, rel=1e-4)


def test_the_root_of_catboost_is_that_of_twice_what_it_minimises():
    (theirs,) = eval_metric(ROW_TARGET, Z, "RMSE", thread_count=1)
    assert (2.0 * amiss.get("catboost.RMSE")(Z, ROW_TARGET)) ** 0.5 == pytest.approx(theirs, rel=1e-6)


def test_every_spelling_of_a_library_is_compared_with_it():
    catboost = [*CATBOOST, ("RMSE",), ("LogCosh",)]
    tables = [("torch.nn.", TORCH), ("keras.losses.", KERAS), ("optax.", OPTAX)]
    tables += [("sklearn.metrics.", SKLEARN), ("catboost.", catboost)]
    compared = {start + case[0] for start, table in tables for case in table}
    compared |= {f"{case[0].__name__.removeprefix('of_')}.{case[1]}" for case in BOOSTED}
    compared |= {f"xgboost.{name}" for name in ("reg:absoluteerror", "reg:quantileerror", "binary:hinge")}
    compared |= {f"xgboost.{name}" for name in ("multi:softprob", "multi:softmax")}
    compared |= {f"lightgbm.{name}" for name in ("huber", "quantile", "regression_l1", "multiclass")}
    losses = [loss for family in amiss.catalogue().values() for loss in family]
    known = {spelling for loss in losses for spelling in loss.aliases} | {*naming.SCALED}
    told = ("torch.nn.", "keras.losses.", "optax.", "sklearn.", "xgboost.", "lightgbm.", "catboost.")
    assert {name for name in known if name.startswith(told) and "functional" not in name} == compared


@pytest.mark.parametrize("name", [name for name in naming.AMBIGUOUS if name.startswith("sklearn.")])
def test_log_loss_of_sklearn_is_one_of_the_two_that_are_named(name):
    binary, several = (amiss.get(one) for one in naming.AMBIGUOUS[name])
    assert binary(P[:, 0], ROW_LABELS) == pytest.approx(metrics.log_loss(ROW_LABELS, P[:, 0]))
    assert several(Q, INDEX) == pytest.approx(metrics.log_loss(INDEX, Q))


# --- losses that are advised to be defined ------------------------------------------------------------------
def defined(name, **parameters):
    (call,) = [part for part in naming.ELSEWHERE[name].split("amiss.define(")[1:]]
    formula = call.split("'")[1]
    words = {"target": call.split("target='")[1].split("'")[0]} if "target='" in call else {}
    return amiss.define(formula, **words, **parameters)


def test_what_is_advised_for_pseudo_huber_is_that_of_xgboost():
    gradient, _ = of_xgboost("reg:pseudohubererror", ROW_TARGET, huber_slope=2.0)
    ours = defined("xgboost.reg:pseudohubererror", c=2.0).gradient(Z, ROW_TARGET, reduction="sum")
    np.testing.assert_allclose(gradient, ours, rtol=1e-3)


def test_what_is_advised_for_gamma_is_that_of_xgboost_and_lightgbm():
    target = ROW_COUNTS + 0.5
    ours = defined("xgboost.reg:gamma").gradient(Z, target, reduction="sum")
    for booster, name in ((of_xgboost, "reg:gamma"), (of_lightgbm, "gamma")):
        np.testing.assert_allclose(booster(name, target)[0], ours, rtol=1e-3)


def test_what_is_advised_for_fair_is_that_of_lightgbm():
    gradient, _ = of_lightgbm("fair", ROW_TARGET, fair_c=0.5)
    ours = defined("lightgbm.fair", c=0.5).gradient(Z, ROW_TARGET, reduction="sum")
    np.testing.assert_allclose(gradient, ours, rtol=1e-3)


def test_what_is_advised_for_the_soft_margin_is_that_of_torch():
    theirs = torch.nn.SoftMarginLoss()(torch.tensor(X), torch.tensor(SIGNS)).item()
    assert defined("torch.nn.SoftMarginLoss")(X, SIGNS) == pytest.approx(theirs, rel=1e-12)


def test_what_is_advised_for_the_deviance_has_its_differences():
    loss = 2.0 * amiss.Poisson("rate")
    first, second = P[:, 0], P[:, 1]
    theirs = metrics.mean_poisson_deviance(ROW_COUNTS, first) - metrics.mean_poisson_deviance(
        ROW_COUNTS, second
    )
    assert loss(first, ROW_COUNTS) - loss(second, ROW_COUNTS) == pytest.approx(theirs, rel=1e-12)


def test_poisson_of_xgboost_is_said_without_the_term_of_the_target():
    theirs = metric_of_xgboost("count:poisson", ROW_COUNTS, "poisson-nloglik")
    ours = amiss.get("xgboost.count:poisson")(Z, ROW_COUNTS) + gammaln(ROW_COUNTS + 1.0).mean()
    assert ours == pytest.approx(theirs, rel=1e-5)
