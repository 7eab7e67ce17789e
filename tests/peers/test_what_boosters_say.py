"""What a loss says of XGBoost, LightGBM and CatBoost is so: each sentence is run.

What a booster's own objective takes for gradient and Hessian is read from its trees: a row alone in a leaf is
moved by -gradient / Hessian, and the tree holds the Hessian.
"""

import math

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from catboost.utils import eval_metric
from losses_under_test import classes

import amiss

LIBRARIES = ("XGBoost", "LightGBM", "CatBoost")
SCORES, TARGETS = np.array([0.3, -1.2, 2.5, 0.8]), np.array([1.0, 0.4, -0.5, 2.9])
LABELS, COUNTS = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.4, 11.0, 3.0])
LOGITS = np.random.default_rng(0).normal(size=(4, 3))
CLASSES = np.array([0, 2, 1, 1])

COPIES = 20  # of each row: LightGBM estimates how many are in a leaf
QUIET = {"verbosity": -1, "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0.0}
QUIET |= {"learning_rate": 1.0, "num_threads": 1}


def by_xgboost(objective, rows, scores, targets, **given):
    """Return by how much each row is moved, and the Hessian of its leaf: (rows, columns)."""
    data = xgboost.DMatrix(rows, label=targets)
    data.set_base_margin(scores)
    chosen = {"objective": objective, "eta": 1.0, "lambda": 0.0, "min_child_weight": 0.0}
    model = xgboost.train({**chosen, **given}, data, 1)
    nodes = model.predict(data, pred_leaf=True).reshape(len(rows), -1)
    table = model.trees_to_dataframe().set_index(["Tree", "Node"])
    place = [[(tree, int(node)) for tree, node in enumerate(row)] for row in nodes]
    return [[[table.loc[each, name] for each in row] for row in place] for name in ("Gain", "Cover")]


def by_lightgbm(objective, rows, scores, targets, **given):
    """Return the same."""
    chosen = {"objective": objective, "boost_from_average": False, **QUIET, **given}
    data = lightgbm.Dataset(rows, targets, init_score=scores.ravel(order="F"), params=chosen)
    model = lightgbm.train(chosen, data, 1)
    leaves = model.predict(rows, pred_leaf=True).reshape(len(rows), -1)
    table = model.trees_to_dataframe().set_index("node_index")
    place = [[f"{tree}-L{int(leaf)}" for tree, leaf in enumerate(row)] for row in leaves]
    return [[[table.loc[each, name] for each in row] for row in place] for name in ("value", "weight")]


def derivatives(by, objective, scores, targets, **given):
    """Return the gradient and the Hessian of each row, from a tree in which it is alone with its copies."""
    rows = np.arange(float(len(scores)))[:, None]
    found = by(objective, *(part.repeat(COPIES, axis=0) for part in (rows, scores, targets)), **given)
    moved, hessian = (np.array(part)[::COPIES].reshape(scores.shape) for part in found)
    return -moved * hessian / COPIES, hessian / COPIES


def same(found, expected, rel=2e-4):
    return all(np.allclose(a, b, rtol=rel, atol=1e-5) for a, b in zip(found, expected, strict=True))


def ours(loss, scores, targets, curvature=1.0):
    gradient, hessian = loss.gradient_and_hessian(scores, targets, reduction="sum")
    return gradient, curvature * hessian


def halved(by, objective):
    return same(derivatives(by, objective, SCORES, TARGETS), (SCORES - TARGETS, np.ones(4)))


def logistic(by, objective):
    plain = same(derivatives(by, objective, SCORES, LABELS), ours(amiss.BinaryCrossEntropy(), SCORES, LABELS))
    weighted = derivatives(by, objective, SCORES, LABELS, scale_pos_weight=3.0)
    return plain and same(weighted, ours(amiss.BinaryCrossEntropy(positive_weight=3.0), SCORES, LABELS))


def softmax(by, objective, curvature):
    found = derivatives(by, objective, LOGITS, CLASSES, num_class=3)
    return same(found, ours(amiss.CrossEntropy(), LOGITS, CLASSES, curvature))


def counts(by, objective, name):
    found = derivatives(by, objective, SCORES, COUNTS, **{name: 0.5})
    usual = derivatives(by, objective, SCORES, COUNTS)
    expected = [ours(amiss.Poisson(), SCORES, COUNTS, math.exp(step)) for step in (0.5, 0.7)]
    return same(found, expected[0]) and same(usual, expected[1])


# Five rows in each of two leaves, far apart.
TABLE = np.repeat([[0.0], [1.0]], 5, axis=0)
NUMBERS = np.array([1.0, 2.0, 4.0, 7.0, 20.0, 101.0, 103.0, 104.0, 140.0, 190.0])
MEDIANS = np.repeat([4.0, 104.0], 5)


def xgboost_medians():
    chosen = {"objective": "reg:absoluteerror", "eta": 1.0, "lambda": 0.0, "max_depth": 1, "base_score": 50.0}
    rows = xgboost.DMatrix(TABLE, label=NUMBERS)
    return np.array_equal(xgboost.train(chosen, rows, 1).predict(rows), MEDIANS)


def lightgbm_medians():
    chosen = {"objective": "regression_l1", **QUIET}
    model = lightgbm.train(chosen, lightgbm.Dataset(TABLE, NUMBERS, params=chosen), 1)
    leaves = model.trees_to_dataframe().query("left_child.isna()")
    hessians = leaves["weight"].to_numpy() / leaves["count"].to_numpy()
    return np.array_equal(model.predict(TABLE), MEDIANS) and np.allclose(hessians, 1.0)


def catboost_medians():
    chosen = {
        "learning_rate": 1.0,
        "depth": 1,
        "iterations": 1,
        "l2_leaf_reg": 0.0,
        "boost_from_average": False,
    }
    model = catboost.CatBoostRegressor(
        loss_function="MAE", bootstrap_type="No", verbose=False, allow_writing_files=False, **chosen
    )
    return np.allclose(model.fit(TABLE, NUMBERS).predict(TABLE), MEDIANS)


def metric_of_xgboost(name, **given):
    """Return a metric of scores that no tree has moved."""
    rows = xgboost.DMatrix(np.zeros((4, 1)), label=TARGETS)
    rows.set_base_margin(SCORES)
    model = xgboost.train({"eval_metric": name, "disable_default_eval_metric": True, **given}, rows, 0)
    return float(model.eval(rows).split(":")[-1])


def metric_of_lightgbm(name, **given):
    """Return the same; LightGBM needs a step, however small."""
    chosen = {"objective": "regression", "metric": name, **QUIET, "learning_rate": 1e-12, **given}
    data = lightgbm.Dataset(np.arange(4.0)[:, None], TARGETS, init_score=SCORES, params=chosen)
    kept = {}
    record = lightgbm.record_evaluation(kept)
    lightgbm.train(chosen, data, 1, valid_sets=[data], valid_names=["rows"], callbacks=[record])
    return next(iter(kept["rows"].values()))[0]


def close(found, expected, rel=1e-5):
    return found == pytest.approx(float(expected), rel=rel)


def huber_of_lightgbm():
    errors = SCORES - TARGETS  # -0.7, -1.6, 3.0, -2.1
    told = derivatives(by_lightgbm, "huber", SCORES, TARGETS, alpha=2.0)
    usual = derivatives(by_lightgbm, "huber", SCORES, TARGETS)
    tails = amiss.Huber(2.0).hessian(SCORES, TARGETS, reduction="sum")[np.abs(errors) > 2.0]
    expected = [amiss.Huber(delta).gradient(SCORES, TARGETS, reduction="sum") for delta in (2.0, 0.9)]
    return (
        same(told, (expected[0], np.ones(4))) and same(usual, (expected[1], np.ones(4))) and not tails.any()
    )


def smooth_huber_of_xgboost():
    found, _ = derivatives(by_xgboost, "reg:pseudohubererror", SCORES, TARGETS)
    error = SCORES - TARGETS
    another = not np.allclose(found, amiss.Huber().gradient(SCORES, TARGETS, reduction="sum"), rtol=0.05)
    return another and np.allclose(found, error / np.sqrt(1.0 + error**2), rtol=1e-3)


def hinge_of_xgboost():
    labels = np.array([1.0, 0.0, 1.0, 0.0])  # rows of one gradient and one Hessian would share a leaf
    found, _ = derivatives(by_xgboost, "binary:hinge", SCORES / 4.0, labels)
    expected = amiss.Hinge().gradient(SCORES / 4.0, 2.0 * labels - 1.0, reduction="sum")
    return np.allclose(found, expected, atol=1e-5)


def metric_of_catboost(name, target=TARGETS, scores=SCORES):
    return eval_metric(target, scores, name)[0]


def two_cross_entropies_of_catboost():
    labels = close(metric_of_catboost("Logloss", LABELS), amiss.BinaryCrossEntropy()(SCORES, LABELS))
    shares = np.array([0.2, 0.9, 0.4, 0.5])
    return labels and close(
        metric_of_catboost("CrossEntropy", shares), amiss.BinaryCrossEntropy()(SCORES, shares)
    )


def huber_of_catboost():
    with pytest.raises(catboost.CatBoostError, match="delta"):
        metric_of_catboost("Huber")
    return close(metric_of_catboost("Huber:delta=0.6"), amiss.Huber(0.6)(SCORES, TARGETS))


def squares_of_catboost():
    # One step of Newton's method from 0 in each leaf: -Σ gradient / (Σ Hessian + λ).
    chosen = {
        "learning_rate": 1.0,
        "depth": 1,
        "iterations": 1,
        "l2_leaf_reg": 3.0,
        "boost_from_average": False,
    }
    model = catboost.CatBoostRegressor(
        bootstrap_type="No", verbose=False, allow_writing_files=False, **chosen
    )
    found = model.fit(TABLE, NUMBERS).predict(TABLE)
    sums = NUMBERS.reshape(2, 5).sum(axis=1)
    root = close(metric_of_catboost("RMSE"), amiss.RootMeanSquaredError()(SCORES, TARGETS))
    return root and np.allclose(found, np.repeat(sums / (5.0 + 3.0), 5))


def rmse_of_lightgbm():
    means_squares = halved(by_lightgbm, "rmse")
    return means_squares and close(metric_of_lightgbm("rmse"), amiss.RootMeanSquaredError()(SCORES, TARGETS))


SAID = {
    ("SquaredError", "XGBoost"): lambda: halved(by_xgboost, "reg:squarederror"),
    ("SquaredError", "LightGBM"): lambda: halved(by_lightgbm, "regression"),
    ("SquaredError", "CatBoost"): squares_of_catboost,
    ("AbsoluteError", "XGBoost"): xgboost_medians,
    ("AbsoluteError", "LightGBM"): lightgbm_medians,
    ("AbsoluteError", "CatBoost"): catboost_medians,
    ("RootMeanSquaredError", "XGBoost"): lambda: close(
        metric_of_xgboost("rmse"), amiss.RootMeanSquaredError()(SCORES, TARGETS)
    ),
    ("RootMeanSquaredError", "LightGBM"): rmse_of_lightgbm,
    ("RootMeanSquaredError", "CatBoost"): squares_of_catboost,
    ("Huber", "XGBoost"): smooth_huber_of_xgboost,
    ("Huber", "LightGBM"): huber_of_lightgbm,
    ("Huber", "CatBoost"): huber_of_catboost,
    ("LogCosh", "CatBoost"): lambda: close(
        metric_of_catboost("LogCosh"), amiss.LogCosh()(SCORES, TARGETS), rel=1e-4
    ),
    ("Pinball", "XGBoost"): lambda: close(
        metric_of_xgboost("quantile", quantile_alpha=0.3), amiss.Pinball(0.3)(SCORES, TARGETS)
    ),
    ("Pinball", "LightGBM"): lambda: (
        close(metric_of_lightgbm("quantile", alpha=0.3), amiss.Pinball(0.3)(SCORES, TARGETS))
        and close(metric_of_lightgbm("quantile"), amiss.Pinball(0.9)(SCORES, TARGETS))
    ),
    ("Pinball", "CatBoost"): lambda: (
        close(metric_of_catboost("Quantile:alpha=0.3"), amiss.Pinball(0.3)(SCORES, TARGETS))
        and close(metric_of_catboost("Quantile"), amiss.Pinball(0.5)(SCORES, TARGETS))
    ),
    ("BinaryCrossEntropy", "XGBoost"): lambda: logistic(by_xgboost, "binary:logistic"),
    ("BinaryCrossEntropy", "LightGBM"): lambda: logistic(by_lightgbm, "binary"),
    ("BinaryCrossEntropy", "CatBoost"): two_cross_entropies_of_catboost,
    ("CrossEntropy", "XGBoost"): lambda: softmax(by_xgboost, "multi:softprob", 2.0),
    ("CrossEntropy", "LightGBM"): lambda: softmax(by_lightgbm, "multiclass", 3.0 / 2.0),
    ("CrossEntropy", "CatBoost"): lambda: close(
        metric_of_catboost("MultiClass", CLASSES, LOGITS), amiss.CrossEntropy()(LOGITS, CLASSES)
    ),
    ("Poisson", "XGBoost"): lambda: counts(by_xgboost, "count:poisson", "max_delta_step"),
    ("Poisson", "LightGBM"): lambda: counts(by_lightgbm, "poisson", "poisson_max_delta_step"),
    ("Poisson", "CatBoost"): lambda: close(
        metric_of_catboost("Poisson", COUNTS), amiss.Poisson()(SCORES, COUNTS)
    ),
    ("Hinge", "XGBoost"): hinge_of_xgboost,
}
"""For each sentence what it says, as a run."""


@pytest.mark.parametrize(("loss", "library"), SAID, ids=map(" at ".join, SAID))
def test_what_is_said_of_a_booster_is_so(loss, library):
    assert SAID[loss, library]()


def test_every_sentence_about_a_booster_is_run():
    told = {
        (loss.__name__, name)
        for loss in classes()
        for name in getattr(loss, "peers", {})
        if name in LIBRARIES
    }
    assert told == set(SAID)
