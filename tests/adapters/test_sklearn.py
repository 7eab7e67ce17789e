"""Losses as metrics and scorers of scikit-learn."""

import pickle

import numpy as np
import pytest
import sklearn
from adapters.boosted import CLASSES, LABELS, NUMBERS, weights
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import amiss
from amiss.core.errors import DomainError, ParameterError, ShapeError
from amiss.sklearn import metric, scorer

X, Y = NUMBERS
GUESS = Y[::-1].copy()
SAME = [
    (amiss.SquaredError(), metrics.mean_squared_error),
    (amiss.AbsoluteError(), metrics.mean_absolute_error),
    (amiss.RootMeanSquaredError(), metrics.root_mean_squared_error),
    (amiss.Pinball(0.75), lambda *given, **weight: metrics.mean_pinball_loss(*given, alpha=0.75, **weight)),
]


@pytest.mark.parametrize("weight", [None, weights(Y)], ids=["plain", "weighted"])
@pytest.mark.parametrize(("loss", "theirs"), SAME, ids=[str(loss) for loss, _ in SAME])
def test_equal_to_the_metric_of_scikit_learn(loss, theirs, weight):
    assert metric(loss)(Y, GUESS, sample_weight=weight) == pytest.approx(
        theirs(Y, GUESS, sample_weight=weight)
    )


def test_the_target_comes_first():
    assert metric(amiss.Linex(1.0))([0.0], [1.0]) == pytest.approx(np.e - 2)


def test_a_metric_is_a_float():
    assert type(metric(amiss.Huber())([1, 2], [1, 3])) is float


def test_a_metric_broadcasts_nothing():
    with pytest.raises(ShapeError):
        metric(amiss.SquaredError())(Y, GUESS[:, None])


def test_a_metric_becomes_a_scorer_of_scikit_learn():
    made = metrics.make_scorer(metric(amiss.AbsoluteError()), greater_is_better=False)
    model = LinearRegression().fit(X, Y)
    assert made(model, X, Y) == pytest.approx(-metrics.mean_absolute_error(Y, model.predict(X)))


def labelled(table=LABELS):
    X, y = table
    return X, np.array(["a", "b", "c"])[y]


def classifier():
    return make_pipeline(StandardScaler(), LogisticRegression())


@pytest.mark.parametrize("table", [LABELS, CLASSES], ids=["two classes", "three classes"])
@pytest.mark.parametrize(
    "loss",
    [amiss.CrossEntropy(input=space) for space in ("logits", "probabilities", "log_probabilities")],
    ids=repr,
)
def test_every_input_space_scores_the_same_log_likelihood(loss, table):
    X, y = labelled(table)
    model = classifier().fit(X, y)
    expected = -metrics.log_loss(y, model.predict_proba(X))
    assert scorer(loss)(model, X, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("space", ["logits", "probabilities"])
def test_two_classes_by_one_number(space):
    X, y = labelled()
    model = classifier().fit(X, y)
    found = scorer(amiss.BinaryCrossEntropy(input=space))(model, X, y)
    assert found == pytest.approx(-metrics.log_loss(y, model.predict_proba(X)), rel=1e-9)


def test_a_hinge_takes_signs_from_any_labels():
    X, y = labelled()
    model = make_pipeline(StandardScaler(), LinearSVC()).fit(X, y)
    expected = -metrics.hinge_loss(y == "b", model.decision_function(X))
    assert scorer(amiss.Hinge())(model, X, y) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "asked"),
    [
        (amiss.Huber(), "predict"),
        (amiss.Poisson(input="rate"), "predict"),
        (amiss.RootMeanSquaredError(), "predict"),
        (amiss.Hinge(), "decision_function"),
        (amiss.BinaryFocal(), "decision_function"),
        (amiss.Dice(), "decision_function"),
        (amiss.CrossEntropy(input="probabilities"), "predict_proba"),
        (amiss.CrossEntropy(input="log_probabilities"), "predict_log_proba"),
    ],
    ids=repr,
)
def test_the_response_is_what_the_loss_takes(loss, asked):
    assert scorer(loss).response_method == asked


def test_rates_are_scored_as_rates():
    model = PoissonRegressor().fit(X, Y)
    rate = scorer(amiss.Poisson(input="rate"))(model, X, Y)
    log_rate = -float(amiss.Poisson()(np.log(model.predict(X)), Y))
    assert rate == pytest.approx(log_rate)


def test_log_rates_are_not_what_estimators_predict():
    with pytest.raises(ParameterError, match='input="rate"'):
        scorer(amiss.Poisson())
    assert scorer(amiss.Poisson(), response_method="predict").response_method == "predict"


def test_cross_validation_and_search_take_a_scorer():
    expected = cross_val_score(Ridge(), X, Y, cv=3, scoring="neg_mean_absolute_error")
    assert cross_val_score(Ridge(), X, Y, cv=3, scoring=scorer(amiss.AbsoluteError())) == pytest.approx(
        expected
    )
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e6]}, scoring=scorer(amiss.Huber(20.0)), cv=3).fit(X, Y)
    assert search.best_params_ == {"alpha": 0.1}


def test_several_scorers_at_once_in_processes():
    both = {"mae": scorer(amiss.AbsoluteError()), "huber": scorer(amiss.Huber())}
    found = cross_validate(Ridge(), X, Y, cv=2, scoring=both, n_jobs=None)
    assert (found["test_mae"] < 0).all()
    assert pickle.loads(pickle.dumps(both)) == both


def test_a_scorer_weighs_rows():
    model, weight = LinearRegression().fit(X, Y), weights(Y)
    expected = -metrics.mean_absolute_error(Y, model.predict(X), sample_weight=weight)
    assert scorer(amiss.AbsoluteError())(model, X, Y, sample_weight=weight) == pytest.approx(expected)


def test_routed_weights_reach_the_scorer():
    weight = weights(Y)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LinearRegression().set_fit_request(sample_weight=True)
        found = cross_val_score(
            model, X, Y, cv=2, scoring=scorer(amiss.AbsoluteError()), params={"sample_weight": weight}
        )
    first = slice(0, 221), slice(221, 442)
    model = LinearRegression().fit(X[first[1]], Y[first[1]], weight[first[1]])
    expected = metrics.mean_absolute_error(
        Y[first[0]], model.predict(X[first[0]]), sample_weight=weight[first[0]]
    )
    assert found[0] == pytest.approx(-expected)


def test_a_fold_without_a_class_is_scored_in_the_order_of_the_estimator():
    X, y = labelled(CLASSES)
    model = classifier().fit(X, y)
    some = y != "a"
    expected = -metrics.log_loss(y[some], model.predict_proba(X)[some], labels=["a", "b", "c"])
    assert scorer(amiss.CrossEntropy())(model, X[some], y[some]) == pytest.approx(expected)


WRONG = {
    "no logits": (
        lambda: scorer(amiss.CrossEntropy())(
            RandomForestClassifier(2).fit(X[:20], Y[:20] > 99), X[:20], Y[:20] > 99
        ),
        ParameterError,
        'must have decision_function .* input="probabilities"',
    ),
    "unseen label": (
        lambda: scorer(amiss.CrossEntropy())(
            LogisticRegression().fit(X[:20], Y[:20] > 99), X[:20], np.arange(20)
        ),
        DomainError,
        "got 2",
    ),
    "misspelt": (lambda: scorer(amiss.Huber(), "predikt"), ParameterError, "Did you mean 'predict'"),
    "a class": (lambda: scorer(amiss.Huber), ParameterError, "Construct it first"),
    "a name": (lambda: metric("huber"), ParameterError, "must be a loss"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    call, error, said = WRONG[case]
    with pytest.raises(error, match=said):
        call()
