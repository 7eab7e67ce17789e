"""Losses in LightGBM: equal to its own objectives, in both of its interfaces, with weights."""

import lightgbm
import numpy as np
import pytest
from adapters.boosted import CLASSES, COUNTS, LABELS, NUMBERS, few_values, largest_difference, weights

import amiss
from amiss.core.errors import ParameterError
from amiss.lightgbm import metric, objective

SMALL = {"num_leaves": 7, "num_threads": 1, "min_data_in_leaf": 5, "verbosity": -1, "deterministic": True}
EVERY_ROW = {"min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0.5}
ROUNDS = 15
SAME = [
    (amiss.SquaredError(), "regression", NUMBERS),
    (0.5 * amiss.SquaredError(), "regression", NUMBERS),
    (amiss.BinaryCrossEntropy(), "binary", LABELS),
    (amiss.CrossEntropy(), "multiclass", CLASSES),
    (amiss.Poisson(), "poisson", COUNTS),
]


def dataset(X, y, weight=None, start=None):
    return lightgbm.Dataset(X, y, weight=weight, init_score=start)


def scores(loss, X, y, weight=None, start=None, **chosen):
    """Return the raw scores of trained trees, those they start from included."""
    custom = objective(loss)
    start = custom.initial_score(y, weight) if start is None else start
    data = dataset(X, y, weight, np.tile(start, (len(y), 1)) if np.ndim(start) else np.full(len(y), start))
    model = lightgbm.train({**custom.parameters(y, weight), **SMALL, **chosen}, data, ROUNDS)
    return start + model.predict(X, raw_score=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "name", "table"), SAME, ids=[name for _, name, _ in SAME])
def test_equal_to_the_built_in(loss, name, table, weighted):
    X, y = table
    weight = weights(y) if weighted else None
    classes = {"num_class": 3} if name == "multiclass" else {}
    built_in = lightgbm.train({"objective": name, **SMALL, **classes}, dataset(X, y, weight), ROUNDS)
    assert largest_difference(scores(loss, X, y, weight), built_in.predict(X, raw_score=True), loss) <= 1e-6


@pytest.mark.parametrize("weighted", [False, True])
def test_huber_is_equal_to_the_built_in_from_its_start(weighted):
    """LightGBM's huber starts at the mean, ours at the best constant of the loss."""
    X, y = NUMBERS
    weight = weights(y) if weighted else None
    built_in = lightgbm.train({"objective": "huber", "alpha": 50.0, **SMALL}, dataset(X, y, weight), ROUNDS)
    mean = objective(amiss.SquaredError()).initial_score(y, weight)
    ours = scores(amiss.Huber(50.0), X, y, weight, start=mean)
    assert largest_difference(ours, built_in.predict(X, raw_score=True), amiss.Huber()) <= 1e-6


REFITTED = [
    (amiss.AbsoluteError(), {"objective": "regression_l1"}),
    (amiss.Pinball(0.75), {"objective": "quantile", "alpha": 0.75}),
]


@pytest.mark.parametrize(("loss", "chosen"), REFITTED, ids=repr)
def test_a_refitted_objective_has_our_gradients_and_hessians(loss, chosen):
    """The same tree with the same gains grows from the same start; the leaves are refitted only there.

    The start lies between two targets: at a tie our gradient is 0.
    """
    X, y = NUMBERS
    custom = objective(loss)
    start = custom.start(y) + 0.25
    ours = lightgbm.train({**custom.parameters(y), **SMALL}, dataset(X, y, start=start), 1)
    theirs = lightgbm.train({**chosen, **SMALL, "boost_from_average": False}, dataset(X, y, start=start), 1)
    columns = ["split_feature", "threshold", "split_gain", "count"]
    trees = [model.trees_to_dataframe()[columns] for model in (ours, theirs)]
    assert trees[0].equals(trees[1])
    assert not np.allclose(ours.predict(X, raw_score=True), theirs.predict(X, raw_score=True), rtol=0.01)


def test_regression_l1_starts_at_the_same_score():
    X, y = NUMBERS[0][:201], NUMBERS[1][:201]
    stump = {**SMALL, "objective": "regression_l1", "min_data_in_leaf": 1000}
    found = lightgbm.train(stump, dataset(X, y), 1).predict(X, raw_score=True)
    assert set(found) == {objective(amiss.AbsoluteError()).initial_score(y)}


@pytest.mark.parametrize("weighted", [False, True])
def test_its_estimators_take_the_objective(weighted):
    X, y = CLASSES
    weight = weights(y) if weighted else None
    custom = objective(amiss.CrossEntropy())
    chosen = {"num_leaves": 7, "n_jobs": 1, "min_child_samples": 5, "verbosity": -1, "n_estimators": ROUNDS}
    model = lightgbm.LGBMClassifier(objective=custom, **chosen)
    model.fit(X, y, sample_weight=weight, init_score=custom.start(y, weight))
    raw = custom.initial_score(y, weight) + model.predict(X, raw_score=True)
    assert largest_difference(raw, scores(amiss.CrossEntropy(), X, y, weight), amiss.CrossEntropy()) <= 1e-6


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Huber(0.5), amiss.AbsoluteError()], ids=repr)
def test_weight_0_is_a_row_that_is_absent(loss):
    X, y = few_values()
    kept = np.arange(60) % 3 > 0
    without = scores(loss, X[kept], y[kept], **EVERY_ROW)
    assert scores(loss, X, y, kept.astype(float), **EVERY_ROW)[kept] == pytest.approx(without, abs=1e-6)


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Huber(0.5), amiss.AbsoluteError()], ids=repr)
def test_weight_2_is_a_row_that_stands_twice(loss):
    X, y = few_values()
    twice = 1 + np.arange(60) % 2
    again = np.repeat(np.arange(60), twice)
    repeated = scores(loss, X[again], y[again], **EVERY_ROW)
    assert scores(loss, X, y, twice.astype(float), **EVERY_ROW)[again] == pytest.approx(repeated, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_metric_is_the_weighted_mean_of_the_loss(weighted):
    X, y = CLASSES
    weight, history = weights(y) if weighted else None, {}
    loss = amiss.CrossEntropy()
    custom = objective(loss)
    data = dataset(X, y, weight, custom.start(y, weight))
    lightgbm.train(
        {**custom.parameters(y, weight), **SMALL},
        data,
        ROUNDS,
        valid_sets=[data],
        feval=metric(loss),
        callbacks=[lightgbm.record_evaluation(history)],
    )
    expected = float(loss(scores(loss, X, y, weight), y, weight))
    assert history["training"]["CrossEntropy"][-1] == pytest.approx(expected, rel=1e-6)


def test_the_metric_serves_its_estimators():
    X, y = NUMBERS
    model = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbosity=-1)
    model.fit(X, y, sample_weight=weights(y), eval_X=X, eval_y=y, eval_metric=metric(amiss.AbsoluteError()))
    expected = float(amiss.AbsoluteError()(model.predict(X), y, weights(y)))
    assert model.evals_result_["training"]["AbsoluteError"][-1] == pytest.approx(expected, rel=1e-5)


def test_a_batch_loss_is_refused():
    with pytest.raises(ParameterError, match=r"amiss\.lightgbm\.objective: loss must be a loss of each row"):
        objective(amiss.Dice())
