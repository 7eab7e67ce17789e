"""One call fits and predicts: labels, links, initial scores and weights, for each booster."""

import pickle

import numpy as np
import pytest
from adapters.boosted import CLASSES, COUNTS, LABELS, NUMBERS, few_values
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import amiss
import amiss.catboost
import amiss.lightgbm
import amiss.xgboost
from amiss.core.errors import AmissError, DomainError, ParameterError, ShapeError

BOOSTERS = {
    amiss.xgboost: {"max_depth": 3, "nthread": 1, "learning_rate": 0.3},
    amiss.lightgbm: {"num_leaves": 7, "num_threads": 1, "learning_rate": 0.3},
    amiss.catboost: {"depth": 3, "thread_count": 1, "learning_rate": 0.3},
}
pytestmark = pytest.mark.parametrize("library", BOOSTERS, ids=lambda library: library.__name__)


def regressor(library, loss, **chosen):
    return library.Regressor(loss, **{"n_estimators": 10, **BOOSTERS[library], **chosen})


def classifier(library, loss, **chosen):
    return library.Classifier(loss, **{"n_estimators": 10, **BOOSTERS[library], **chosen})


@pytest.mark.parametrize(
    "loss",
    [amiss.SquaredError(), amiss.Huber(20.0), amiss.AbsoluteError(), amiss.Pinball(0.25), amiss.LogCosh()],
    ids=repr,
)
def test_it_learns_numbers(library, loss):
    X, y = NUMBERS
    model = regressor(library, loss, n_estimators=20, hessian="gauss_newton").fit(X[:300], y[:300])
    found = float(loss(model.predict(X[300:]).astype(float), y[300:]))
    assert found < 0.9 * amiss.baseline(loss, y[300:]).value


def test_counts_are_predicted_as_rates(library):
    X, y = COUNTS
    rate = regressor(library, amiss.Poisson()).fit(X, y.astype(int)).predict(X)
    assert rate.shape == y.shape
    assert rate.min() > 0
    assert rate.mean() == pytest.approx(y.mean(), rel=0.05)


def test_trees_that_hardly_move_leave_the_best_constant(library):
    X, y = NUMBERS
    model = regressor(library, amiss.Pinball(0.9), n_estimators=1, learning_rate=1e-6).fit(X, y)
    assert model.predict(X) == pytest.approx(np.full(len(y), np.sort(y)[397]), rel=1e-6)


@pytest.mark.parametrize(
    "loss", [amiss.BinaryCrossEntropy(), amiss.CrossEntropy(), amiss.BinaryFocal()], ids=repr
)
@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [-1, 1], [3.5, 7.5]], ids=repr)
def test_two_classes_of_any_dtype(library, loss, labels):
    X, y = LABELS[0], np.array(labels)[LABELS[1]]
    if library is amiss.catboost and loss == amiss.CrossEntropy():
        with pytest.raises(ParameterError, match=r"as CatBoost gives it.*BinaryCrossEntropy"):
            classifier(library, loss).fit(X, y)
        return
    model = classifier(library, loss).fit(X, y)
    found, p = model.predict(X), model.predict_proba(X)
    assert found.dtype == y.dtype
    assert (found == y).mean() > 0.9
    assert model.classes_.tolist() == labels
    assert p.shape == (len(y), 2)
    assert p.sum(axis=1) == pytest.approx(1)
    assert (model.classes_[p.argmax(axis=1)] == found).all()


def test_three_classes(library):
    X, y = CLASSES[0], np.array(["red", "white", "rosé"])[CLASSES[1]]
    model = classifier(library, amiss.CrossEntropy()).fit(X, y)
    p = model.predict_proba(X)
    assert (model.predict(X) == y).mean() > 0.95
    assert p.shape == (len(y), 3)
    assert p.sum(axis=1) == pytest.approx(1)


def test_signs_are_given_to_a_hinge_which_has_no_probabilities(library):
    X, y = LABELS[0], np.array(["no", "yes"])[LABELS[1]]
    model = classifier(library, amiss.Hinge()).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.9
    assert ((model.decision_function(X) > 0) == (model.predict(X) == "yes")).all()
    with pytest.raises(AttributeError, match="predict_proba"):
        model.predict_proba(X)


def test_weights_are_not_ignored(library):
    X, y = few_values()
    weight = np.where(y > 0, 10.0, 1.0)
    plain, heavy = (regressor(library, amiss.SquaredError()).fit(X, y, w).predict(X) for w in (None, weight))
    assert np.average(heavy) > np.average(plain) + 0.1
    assert np.average(heavy, weights=weight) == pytest.approx(np.average(y, weights=weight), abs=0.15)


def test_early_stopping_keeps_the_best_round(library):
    X, y = NUMBERS
    watched = X[300:], y[300:], np.ones(142)
    model = regressor(library, "mse", n_estimators=40, early_stopping_rounds=3, learning_rate=0.7)
    model.fit(X[:300], y[:300], eval_set=watched)
    longer = regressor(library, "mse", n_estimators=40, learning_rate=0.7).fit(X[:300], y[:300])
    cost = [float(amiss.SquaredError()(m.predict(X[300:]).astype(float), y[300:])) for m in (model, longer)]
    assert cost[0] < cost[1]


def test_parameters_are_known_and_set(library):
    model = regressor(library, amiss.Huber(2.0), floor=1e-3)
    known = {
        "loss": amiss.Huber(2.0),
        "floor": 1e-3,
        "hessian": "native",
        "n_estimators": 10,
        **BOOSTERS[library],
    }
    assert {name: model.get_params()[name] for name in known} == known
    again = clone(model).set_params(loss="mse", learning_rate=0.5)
    assert again.get_params()["learning_rate"] == 0.5
    assert model.get_params() != again.get_params()
    assert again.params is not model.params


def test_it_is_what_scikit_learn_takes_it_for(library):
    assert is_regressor(regressor(library, "mse"))
    assert is_classifier(classifier(library, "ce"))


def test_a_fitted_model_can_be_pickled(library):
    X, y = CLASSES
    model = classifier(library, amiss.CrossEntropy(), n_estimators=2).fit(X, y)
    assert (pickle.loads(pickle.dumps(model)).predict_proba(X) == model.predict_proba(X)).all()


def test_a_search_goes_over_losses(library):
    X, y = NUMBERS[0][:150], NUMBERS[1][:150]
    search = GridSearchCV(
        regressor(library, "mse", n_estimators=3), {"loss": ["mse", amiss.Pinball(0.75)]}, cv=2
    )
    assert search.fit(X, y).best_params_["loss"] == "mse"


def test_labels_survive_cross_validation(library):
    X, y = CLASSES[0], np.array(["red", "white", "rosé"])[CLASSES[1]]
    assert cross_val_score(classifier(library, "ce", n_estimators=5), X, y, cv=2).min() > 0.85


X, Y = NUMBERS[0][:40], NUMBERS[1][:40]
reg, cla = regressor, classifier
WRONG = {
    "classes": (lambda lib: reg(lib, "ce").fit(X, Y), ParameterError, "Classifier takes a loss"),
    "numbers": (lambda lib: cla(lib, "mse").fit(X, Y > 100), ParameterError, "Regressor takes"),
    "a class": (lambda lib: reg(lib, amiss.Huber).fit(X, Y), ParameterError, "Construct it first"),
    "a batch loss": (lambda lib: reg(lib, "rmse").fit(X, Y), ParameterError, "all rows together"),
    "a column": (lambda lib: reg(lib, "mse").fit(X, Y[:, None]), ShapeError, r"y must have shape \(n,\)"),
    "too few": (lambda lib: reg(lib, "mse").fit(X, Y[:-1]), ShapeError, "one row of features"),
    "weights": (lambda lib: reg(lib, "mse").fit(X, Y, [1.0]), ShapeError, "must have shape"),
    "missing": (
        lambda lib: reg(lib, "mse").fit(X, np.where(np.arange(40) == 7, np.nan, Y)),
        DomainError,
        "got nan in row 7",
    ),
    "negative": (lambda lib: reg(lib, "mse").fit(X, Y, -np.ones(40)), DomainError, "at least 0"),
    "three": (lambda lib: cla(lib, "bce").fit(X, np.arange(40) % 3), DomainError, "Take amiss.CrossE"),
    "one": (lambda lib: cla(lib, "ce").fit(X, np.zeros(40)), DomainError, "got 1"),
    "unseen": (
        lambda lib: cla(lib, "ce").fit(X, np.arange(40) % 2, eval_set=(X, np.full(40, 7))),
        DomainError,
        "got 7",
    ),
    "no rows to watch": (
        lambda lib: reg(lib, "mse", early_stopping_rounds=2).fit(X, Y), ParameterError, "eval_set"
    ),
    "part": (lambda lib: reg(lib, "mse").set_params(loss__delta=1.0), ParameterError, "set as a whole"),
    "counts": (lambda lib: reg(lib, amiss.Poisson()).fit(X, -Y), DomainError, "Poisson: target must be"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(library, case):
    fit, error, said = WRONG[case]
    with pytest.raises(error, match=said) as raised:
        fit(library)
    assert isinstance(raised.value, AmissError)


def test_before_fitting_there_is_nothing_to_predict(library):
    with pytest.raises(NotFittedError):
        regressor(library, "mse").predict(X)
