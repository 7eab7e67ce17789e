"""What the boosters share: derivatives with a named Hessian, initial scores, links, refusals."""

import importlib
import pickle
import sys
import warnings

import numpy as np
import pytest

import amiss
from amiss.boosting import Metric, Objective, initial_score, inverse_link
from amiss.boosting.objective import FLOOR
from amiss.core import BatchLoss
from amiss.core.errors import BackendError, DomainError, ParameterError, ShapeError
from amiss.core.items import ClassItems, RowItems

SCORES = np.random.default_rng(0).normal(size=8)
LABELS = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
WEIGHTS = np.arange(8.0) / 2
CATALOGUE = [kind() for family in amiss.catalogue().values() for kind in family]
LOSSES = [loss for loss in CATALOGUE if not isinstance(loss, RowItems)]
BOOSTED = [loss for loss in LOSSES if not isinstance(loss, BatchLoss)]


def labels_for(loss):
    return 2 * LABELS - 1 if loss.target_domain.members else LABELS


@pytest.mark.parametrize("loss", BOOSTED, ids=repr)
def test_the_gradient_is_that_of_the_loss(loss):
    gradient, _ = Objective(loss).derivatives(SCORES, labels_for(loss), WEIGHTS)
    assert gradient == pytest.approx(loss.gradient(SCORES, labels_for(loss), WEIGHTS, "sum"))


@pytest.mark.parametrize("loss", [loss for loss in BOOSTED if loss.facts.hessian == "exact"], ids=repr)
@pytest.mark.filterwarnings("ignore:.*are not positive:RuntimeWarning")
def test_exact_is_the_second_derivative_and_abs_its_size(loss):
    second = loss.hessian(SCORES, labels_for(loss), WEIGHTS, "sum")
    exact = Objective(loss, "exact").derivatives(SCORES, labels_for(loss), WEIGHTS)[1]
    size = Objective(loss, "abs").derivatives(SCORES, labels_for(loss), WEIGHTS)[1]
    assert exact == pytest.approx(np.maximum(second, FLOOR * WEIGHTS), abs=0)
    assert size == pytest.approx(np.maximum(abs(second), FLOOR * WEIGHTS), abs=0)


@pytest.mark.parametrize("policy", ["exact", "abs"])
@pytest.mark.parametrize("loss", [loss for loss in BOOSTED if loss.facts.hessian != "exact"], ids=repr)
def test_a_second_derivative_of_zero_is_no_policy(loss, policy):
    with pytest.raises(ParameterError, match="zero almost everywhere"):
        Objective(loss, policy)


@pytest.mark.parametrize("loss", [loss for loss in BOOSTED if loss.facts.hessian != "exact"], ids=repr)
def test_native_is_the_weight_where_the_second_derivative_is_zero(loss):
    hessian = Objective(loss).derivatives(SCORES, labels_for(loss), WEIGHTS)[1]
    assert hessian.tolist() == WEIGHTS.tolist()


def test_native_is_gauss_newton_where_a_booster_has_no_such_objective():
    score, label = np.linspace(-9.0, 9.0, 7), np.ones(7)
    assert Objective(amiss.BinaryFocal()).policy == "gauss_newton"
    for native, other in zip(
        Objective(amiss.BinaryFocal()).derivatives(score, label),
        Objective(amiss.BinaryFocal(), "gauss_newton").derivatives(score, label),
        strict=True,
    ):
        assert native.tolist() == other.tolist()


def test_native_is_the_second_derivative_without_a_built_in_and_a_lower_bound():
    assert Objective(amiss.Poisson()).policy == "exact"


def test_gauss_newton_is_the_square_of_the_residuals_slope():
    # l = r² / 2 with r = sqrt(2 l); beyond delta = 1 at an error of 3: g = 1, l = 2.5, g² / 2 l = 0.2
    policy = Objective(amiss.Huber(), "gauss_newton")
    assert policy.derivatives(np.array([0.5, 3.0, 0.0]), np.zeros(3), [1.0, 2.0, 1.0])[1] == pytest.approx(
        [1, 0.4, 1]
    )


def test_gauss_newton_of_a_row_shares_the_value_of_the_row():
    score, label = np.array([[0.0, 0.0], [1.0, -1.0]]), np.array([0, 1])
    gradient, hessian = Objective(amiss.CrossEntropy(), "gauss_newton").derivatives(score, label)
    value = amiss.CrossEntropy()(score, label, reduction="none")
    assert hessian == pytest.approx(gradient**2 / (2 * value[:, None]))


def test_gauss_newton_needs_a_lower_bound():
    with pytest.raises(ParameterError, match="no lower bound"):
        Objective(amiss.Poisson(), "gauss_newton")


def test_a_hessian_that_is_not_positive_is_said_once_with_policy_and_count():
    objective = Objective(amiss.BinaryFocal(), "exact")
    score, label = np.array([-6.0, -5.0, 0.0]), np.ones(3)
    with pytest.warns(RuntimeWarning, match=r"BinaryFocal: 2 of 3 .*hessian='exact'") as said:
        hessian = objective.derivatives(score, label)[1]
    assert len(said) == 1
    assert (hessian[:2] == FLOOR).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        objective.derivatives(score, label)


def test_the_floor_can_be_chosen():
    with pytest.warns(RuntimeWarning, match=r"below 0\.5"):
        hessian = Objective(amiss.Huber(), "exact", floor=0.5).derivatives(
            np.array([3.0, 0.0]), np.zeros(2), [2, 1]
        )[1]
    assert hessian.tolist() == [1.0, 1.0]


def test_a_row_of_weight_0_is_not_counted_among_the_hessians():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hessian = Objective(amiss.Huber(), "exact").derivatives(np.array([3.0, 0.0]), np.zeros(2), [0, 1])[1]
    assert hessian.tolist() == [0.0, 1.0]


def test_a_gradient_that_is_not_finite_names_its_row():
    with pytest.raises(DomainError, match="in row 1"):
        Objective(amiss.Poisson()).derivatives(np.array([0.0, 1000.0]), np.ones(2))


@pytest.mark.parametrize(
    "loss", [loss for loss in LOSSES if isinstance(loss, BatchLoss)] + [amiss.Dice()], ids=repr
)
def test_a_loss_of_all_rows_together_is_refused(loss):
    with pytest.raises(ParameterError, match="all rows together"):
        Objective(loss)


@pytest.mark.parametrize(
    ("loss", "remedy"),
    [
        (amiss.CrossEntropy(input="probabilities"), "input='logits'"),
        (amiss.BinaryCrossEntropy(input="probabilities"), "input='logits'"),
        (amiss.Poisson(input="rate"), "input='log_rate'"),
        (amiss.SquaredError() + amiss.Poisson(input="rate"), "input='log_rate'"),
    ],
    ids=repr,
)
def test_a_loss_of_probabilities_or_rates_is_refused_with_the_remedy(loss, remedy):
    with pytest.raises(ParameterError, match=remedy):
        Objective(loss)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((amiss.Huber,), "Construct it first"),
        (("huber",), "must be a loss"),
        ((amiss.Huber(), "exakt"), "Did you mean 'exact'"),
        ((amiss.Huber(), "exact", 0.0), "floor must be a positive number"),
    ],
)
def test_bad_options_are_refused(arguments, said):
    with pytest.raises(ParameterError, match=said):
        Objective(*arguments)


def test_class_indices_stored_as_floats_are_indices():
    score = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    stored = Objective(amiss.CrossEntropy()).derivatives(score, np.array([0, 2, 1], dtype=np.float32))[0]
    assert stored.tolist() == amiss.CrossEntropy().gradient(score, [0, 2, 1], reduction="sum").tolist()


def test_half_a_class_is_refused():
    with pytest.raises(DomainError, match=r"got 1\.5 in row 1"):
        Objective(amiss.CrossEntropy()).derivatives(np.zeros((2, 3)), np.array([0, 1.5]))


def test_one_score_is_no_row_of_classes():
    with pytest.raises(ShapeError, match="number of classes"):
        Objective(amiss.CrossEntropy()).derivatives(np.zeros(3), np.array([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("loss", BOOSTED, ids=repr)
def test_the_initial_score_is_the_best_constant(loss):
    target = labels_for(loss)
    best = initial_score(loss, target, WEIGHTS)
    at_best = float(loss(np.full(8, best), target, WEIGHTS))
    for other in np.linspace(-3.0, 3.0, 61):
        assert float(loss(np.full(8, other), target, WEIGHTS)) >= at_best - 1e-12


def test_a_sum_starts_at_the_best_of_its_terms():
    assert initial_score(0.5 * amiss.SquaredError(), [1.0, 2.0, 6.0]) == 3.0
    both = amiss.SquaredError() + 100 * amiss.AbsoluteError()
    assert initial_score(both, [1.0, 2.0, 6.0]) == 2.0


def test_an_absent_class_starts_low_and_finite():
    assert initial_score(amiss.CrossEntropy(), [0, 2]).tolist() == pytest.approx(
        [np.log(0.5), -36, np.log(0.5)]
    )
    assert initial_score(amiss.BinaryCrossEntropy(), [1, 1]) == 36.0


@pytest.mark.parametrize("loss", CATALOGUE, ids=repr)
def test_every_link_has_its_inverse(loss):
    score = np.array([[0.0, np.log(3.0)]])
    known = {"identity": score, "logit": [[0.5, 0.75]], "softmax": [[0.25, 0.75]], "log": [[1.0, 3.0]]}
    assert inverse_link(loss, score) == pytest.approx(np.array(known[loss.facts.link]))


def test_a_metric_is_the_weighted_mean_also_of_a_batch_loss():
    assert (
        Metric(amiss.RootMeanSquaredError()).mean(np.array([3.0, 5.0]), [0.0, 5.0], [3.0, 1.0]) == 27**0.5 / 2
    )


@pytest.mark.parametrize(
    "loss", [amiss.Huber(2.0), amiss.CrossEntropy(), 0.5 * amiss.SquaredError()], ids=repr
)
def test_objectives_and_metrics_can_be_pickled(loss):
    objective = Objective(loss, "gauss_newton")
    assert pickle.loads(pickle.dumps(objective)) == objective
    assert pickle.loads(pickle.dumps(Metric(loss))) == Metric(loss)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost", "sklearn"])
def test_a_missing_library_names_its_extra(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"amiss.{library}", raising=False)
    extra = "data" if library == "sklearn" else "boost"
    with pytest.raises(BackendError, match=rf'{library} must be installed.*pip install "amiss\[{extra}\]"'):
        importlib.import_module(f"amiss.{library}")


def test_rows_are_of_classes():
    """The row losses that trees can minimise take one score for each class."""
    rows = [loss for loss in CATALOGUE if isinstance(loss, RowItems)]
    assert {type(loss).__name__ for loss in rows if not isinstance(loss, ClassItems)} == {"CosineDistance"}
