"""Losses in CatBoost: equal to its own objectives once both take the same steps, with weights."""

import catboost
import numpy as np
import pytest
from adapters.boosted import CLASSES, COUNTS, LABELS, NUMBERS, few_values, largest_difference, weights

import amiss
from amiss.catboost import metric, objective
from amiss.core.errors import ParameterError

SMALL = {
    "iterations": 10,
    "learning_rate": 0.3,
    "depth": 3,
    "thread_count": 1,
    "random_strength": 0.0,
    "bootstrap_type": "No",
    "boosting_type": "Plain",
    "score_function": "L2",
    "leaf_estimation_method": "Newton",
    "leaf_estimation_iterations": 1,
    "allow_writing_files": False,
    "logging_level": "Silent",
}
UNSCALED = {"l2_leaf_reg": 0.0}  # CatBoost multiplies λ by the mean weight, for its own objectives too
SAME = [
    (amiss.SquaredError(), "RMSE", NUMBERS),
    (amiss.BinaryCrossEntropy(), "Logloss", LABELS),
    (amiss.CrossEntropy(), "MultiClass", CLASSES),
    (amiss.Poisson(), "Poisson", COUNTS),
    (amiss.Huber(50.0), "Huber:delta=50", NUMBERS),
    (amiss.LogCosh(), "LogCosh", NUMBERS),
]


def raw(model, X):
    return model.predict(X, prediction_type="RawFormulaVal")


def pool(loss, X, y, weight=None):
    start = np.tile(objective(loss).initial_score(y, weight), (len(y), 1))
    return catboost.Pool(X, y, weight=weight, baseline=start)


def trained(loss, X, y, weight=None, **chosen):
    given = {**SMALL, "loss_function": objective(loss), "eval_metric": metric(loss), **chosen}
    return catboost.CatBoost(given).fit(pool(loss, X, y, weight))


@pytest.mark.filterwarnings("ignore:.*are not positive:RuntimeWarning")  # in the tails, as CatBoost's own
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "name", "table"), SAME, ids=[name for _, name, _ in SAME])
def test_equal_to_the_built_in(loss, name, table, weighted):
    X, y = table
    weight = weights(y) if weighted else None
    built_in = catboost.CatBoost({**SMALL, "loss_function": name}).fit(pool(loss, X, y, weight))
    classes = {"classes_count": 3} if name == "MultiClass" else {}
    ours = trained(loss, X, y, weight, **classes)
    assert largest_difference(raw(ours, X), raw(built_in, X), loss) <= 1e-9


def test_ten_newton_steps_are_those_of_logloss():
    X, y = LABELS
    loss, steps = amiss.BinaryCrossEntropy(), {"leaf_estimation_iterations": 10}
    built_in = catboost.CatBoost({**SMALL, "loss_function": "Logloss", **steps}).fit(pool(loss, X, y))
    assert largest_difference(raw(trained(loss, X, y, **steps), X), raw(built_in, X), loss) <= 1e-9


def test_mae_is_half_of_the_absolute_error():
    X, y = NUMBERS
    start, steps = np.full(len(y), y.mean()), {"leaf_estimation_method": "Gradient", "l2_leaf_reg": 0.0}
    data = catboost.Pool(X, y, baseline=start)
    theirs = catboost.CatBoost({**SMALL, "loss_function": "MAE", **steps, "boost_from_average": False}).fit(
        data
    )
    half = 0.5 * amiss.AbsoluteError()
    given = {**SMALL, "loss_function": objective(half), "eval_metric": metric(half), **steps}
    assert raw(catboost.CatBoost(given).fit(data), X) == pytest.approx(raw(theirs, X), abs=1e-9)


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Pinball(0.75), amiss.AbsoluteError()], ids=repr)
def test_weight_0_is_a_row_that_is_absent(loss):
    X, y = few_values()
    kept = np.arange(60) % 3 > 0
    without = raw(trained(loss, X[kept], y[kept], **UNSCALED), X[kept])
    assert raw(trained(loss, X, y, kept.astype(float), **UNSCALED), X[kept]) == pytest.approx(
        without, abs=1e-6
    )


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Pinball(0.75), amiss.AbsoluteError()], ids=repr)
def test_weight_2_is_a_row_that_stands_twice(loss):
    X, y = few_values()
    twice = 1 + np.arange(60) % 2
    again = np.repeat(np.arange(60), twice)
    repeated = raw(trained(loss, X[again], y[again], **UNSCALED), X)
    assert raw(trained(loss, X, y, twice.astype(float), **UNSCALED), X) == pytest.approx(repeated, abs=1e-6)


@pytest.mark.parametrize("policy", ["native", "exact"])
def test_the_matrix_of_second_derivatives_is_whole(policy):
    p = np.array([0.5, 0.25, 0.25])
    gradient, matrix = objective(amiss.CrossEntropy(), policy).calc_ders_multi(np.log(p), 1.0, 2.0)
    assert gradient == pytest.approx(-2.0 * (p - [0, 1, 0]))
    assert matrix == pytest.approx(-2.0 * (np.diag(p) - np.outer(p, p)))


@pytest.mark.parametrize("policy", ["abs", "gauss_newton"])
def test_another_policy_is_the_diagonal(policy):
    custom = objective(amiss.CrossEntropy(), policy)
    matrix = custom.calc_ders_multi(np.zeros(3), 1.0, 1.0)[1]
    expected = custom.derivatives(np.zeros((1, 3)), np.array([1]))[1][0]
    assert matrix == pytest.approx(-np.diag(expected))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("loss", "table"),
    [(amiss.SquaredError(), NUMBERS), (amiss.CrossEntropy(), CLASSES)],
    ids=["numbers", "classes"],
)
def test_the_metric_is_the_weighted_mean_of_the_loss(loss, table, weighted):
    X, y = table
    weight = weights(y) if weighted else None
    classes = {"classes_count": 3} if isinstance(loss, amiss.CrossEntropy) else {}
    model = trained(loss, X, y, weight, **classes)
    start = objective(loss).initial_score(y, weight)
    (printed,) = model.evals_result_["learn"].values()
    assert printed[-1] == pytest.approx(float(loss(start + raw(model, X), y, weight)), rel=1e-6)


def test_a_batch_loss_is_refused():
    with pytest.raises(ParameterError, match=r"amiss\.catboost\.objective: loss must be a loss of each row"):
        objective(amiss.RootMeanSquaredError())
