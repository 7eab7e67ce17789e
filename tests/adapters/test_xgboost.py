"""Losses in XGBoost: equal to its own objectives, in both of its interfaces, with weights."""

import json

import numpy as np
import pytest
import xgboost
from adapters.boosted import CLASSES, COUNTS, LABELS, NUMBERS, few_values, largest_difference, weights

import amiss
from amiss.core.errors import ParameterError
from amiss.xgboost import metric, objective

SMALL = {"max_depth": 3, "nthread": 1, "tree_method": "exact"}
ROUNDS = 15
SAME = [
    (amiss.SquaredError(), "reg:squarederror", NUMBERS),
    (0.5 * amiss.SquaredError(), "reg:squarederror", NUMBERS),
    (amiss.BinaryCrossEntropy(), "binary:logistic", LABELS),
    (amiss.CrossEntropy(), "multi:softprob", CLASSES),
    (amiss.Poisson(), "count:poisson", COUNTS),
]


def trained(loss, X, y, weight=None, **chosen):
    custom = objective(loss)
    data = xgboost.DMatrix(X, y, weight=weight)
    return xgboost.train({**custom.parameters(y, weight), **SMALL, **chosen}, data, ROUNDS, obj=custom)


def scores(model, X):
    return model.predict(xgboost.DMatrix(X), output_margin=True)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "name", "table"), SAME, ids=[name for _, name, _ in SAME])
def test_equal_to_the_built_in(loss, name, table, weighted):
    X, y = table
    weight = weights(y) if weighted else None
    classes = {"num_class": 3} if name == "multi:softprob" else {}
    built_in = xgboost.train(
        {"objective": name, **SMALL, **classes}, xgboost.DMatrix(X, y, weight=weight), ROUNDS
    )
    ours = scores(trained(loss, X, y, weight), X)
    assert largest_difference(ours, scores(built_in, X), loss) <= 1e-6


REFITTED = [
    (amiss.AbsoluteError(), {"objective": "reg:absoluteerror"}),
    (amiss.Pinball(0.75), {"objective": "reg:quantileerror", "quantile_alpha": 0.75}),
]


@pytest.mark.parametrize(("loss", "chosen"), REFITTED, ids=repr)
def test_a_refitted_objective_has_our_gradients_and_hessians(loss, chosen):
    """The same tree with the same gains grows from the same start; the leaves are refitted only there.

    The start lies between two targets: at a tie our gradient is 0.
    """
    X, y = NUMBERS
    start = {"base_score": objective(loss).initial_score(y) + 0.25, "tree_method": "hist"}
    ours = trained(loss, X, y, **start)
    built_in = {**chosen, **SMALL, **start}
    theirs = xgboost.train(built_in, xgboost.DMatrix(X, y), ROUNDS)
    first = [table[table.Tree == 0] for table in (ours.trees_to_dataframe(), theirs.trees_to_dataframe())]
    inner = [table[table.Feature != "Leaf"] for table in first]
    assert inner[0].equals(inner[1])
    assert first[0].Cover.equals(first[1].Cover)
    assert not np.allclose(scores(ours, X), scores(theirs, X), rtol=0.01)


def test_reg_absoluteerror_starts_at_the_same_score():
    X, y = NUMBERS
    model = xgboost.train({"objective": "reg:absoluteerror"}, xgboost.DMatrix(X, y), 1)
    learnt = json.loads(model.save_config())["learner"]["learner_model_param"]["base_score"]
    assert float(learnt.strip("[]")) == objective(amiss.AbsoluteError()).initial_score(y)


@pytest.mark.parametrize("weighted", [False, True])
def test_its_estimators_take_the_objective(weighted):
    X, y = LABELS
    weight = weights(y) if weighted else None
    loss = amiss.BinaryCrossEntropy()
    chosen = {"max_depth": 3, "n_jobs": 1, "tree_method": "exact", "n_estimators": ROUNDS}
    start = objective(loss).initial_score(y, weight)
    ours = xgboost.XGBRegressor(objective=objective(loss), base_score=start, **chosen).fit(
        X, y, sample_weight=weight
    )
    assert largest_difference(ours.predict(X), scores(trained(loss, X, y, weight), X), loss) <= 1e-6


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Huber(0.5), amiss.AbsoluteError()], ids=repr)
def test_weight_0_is_a_row_that_is_absent(loss):
    X, y = few_values()
    kept = np.arange(60) % 3 > 0
    without = trained(loss, X[kept], y[kept])
    weighed = trained(loss, X, y, kept.astype(float))
    assert scores(weighed, X[kept]) == pytest.approx(scores(without, X[kept]), abs=1e-6)


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Huber(0.5), amiss.AbsoluteError()], ids=repr)
def test_weight_2_is_a_row_that_stands_twice(loss):
    X, y = few_values()
    twice = 1 + np.arange(60) % 2
    repeated = trained(loss, np.repeat(X, twice, axis=0), np.repeat(y, twice))
    weighed = trained(loss, X, y, twice.astype(float))
    assert scores(weighed, X) == pytest.approx(scores(repeated, X), abs=1e-5)


def test_a_native_poisson_moves_no_leaf_further_than_the_built_in():
    assert objective(amiss.Poisson()).parameters(COUNTS[1])["max_delta_step"] == 0.7
    assert "max_delta_step" not in objective(amiss.Poisson(), "exact").parameters(COUNTS[1])


def test_two_outputs_are_fitted_at_once():
    X, y = few_values()
    both = np.column_stack([y, -2 * y])
    custom = objective(amiss.SquaredError())
    chosen = {**SMALL, "tree_method": "hist", "disable_default_eval_metric": True, "base_score": 0.0}
    together = xgboost.train(chosen, xgboost.DMatrix(X, both), ROUNDS, obj=custom)
    alone = xgboost.train(chosen, xgboost.DMatrix(X, both[:, 1]), ROUNDS, obj=custom)
    assert scores(together, X)[:, 1] == pytest.approx(scores(alone, X), abs=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_metric_is_the_weighted_mean_of_the_loss(weighted):
    X, y = LABELS
    loss, history = amiss.BinaryCrossEntropy(), {}
    data = xgboost.DMatrix(X, y, weight=weights(y) if weighted else None)
    custom = objective(loss)
    model = xgboost.train(
        {**custom.parameters(y), **SMALL},
        data,
        3,
        obj=custom,
        custom_metric=metric(loss),
        evals=[(data, "train")],
        evals_result=history,
        verbose_eval=False,
    )
    expected = float(loss(scores(model, X), y.astype(np.float32), weights(y) if weighted else None))
    assert history["train"]["BinaryCrossEntropy"][-1] == pytest.approx(expected, abs=1e-6)  # of six digits


def test_the_metric_serves_its_estimators():
    X, y = NUMBERS
    model = xgboost.XGBRegressor(n_estimators=3, eval_metric=metric(amiss.AbsoluteError()), n_jobs=1)
    model.fit(X, y, eval_set=[(X, y)], sample_weight_eval_set=[weights(y)], verbose=False)
    expected = float(amiss.AbsoluteError()(model.predict(X).astype(float), y, weights(y)))
    assert model.evals_result()["validation_0"]["AbsoluteError"][-1] == pytest.approx(expected, rel=1e-5)


def test_a_batch_loss_is_refused():
    with pytest.raises(ParameterError, match=r"amiss\.xgboost\.objective: loss must be a loss of each row"):
        objective(amiss.RootMeanSquaredError())
