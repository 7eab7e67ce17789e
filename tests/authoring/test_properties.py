"""Properties are found as they are: of the catalogue, of losses of one's own, and against false claims."""

import math
from dataclasses import dataclass, fields

import numpy as np
import pytest
from losses_under_test import elementwise, few, name

import amiss
from amiss.authoring.properties import measured, properties
from amiss.core import ElementwiseLoss, Facts
from amiss.core.errors import ParameterError

CATALOGUE = [
    *few(),
    amiss.get("BCELoss"),
    amiss.get("CategoricalCrossentropy"),
    amiss.get("CrossEntropyLoss"),
    amiss.Hinge(margin=3.0),
    amiss.Huber(delta=1e-4),
    amiss.Huber(delta=1e4),
    amiss.BinaryFocal(gamma=0.0),
    amiss.Dice("probabilities", smooth=0.0),
    amiss.Dice(smooth=0.0),
    amiss.CrossEntropy(class_weight=(1.0, 2.0, 3.0, 4.0)),
    0.5 * amiss.SquaredError(),
    amiss.SquaredError() + 2 * amiss.AbsoluteError(),
]


def own(value, gradient, hessian, **claims):
    """Return a loss of the error, from NumPy functions, that claims some facts of itself."""
    claims = {"convex": True, "minimiser": "mean", **claims}

    class Own(ElementwiseLoss):
        @property
        def facts(self):
            return Facts(**claims)

        def _value(self, xp, prediction, target):
            return value(prediction - target)

        def _gradient(self, xp, prediction, target):
            return gradient(prediction - target)

        def _hessian(self, xp, prediction, target):
            return hessian(prediction - target)

    return dataclass(frozen=True)(Own)()


@pytest.mark.parametrize("loss", CATALOGUE, ids=name)
def test_what_is_measured_is_what_the_loss_states(loss):
    found = properties(loss)
    assert [one.name for one in found if one.holds is None] == []
    assert [(one.name, one.text) for one in found if one.claim is not None and one.agrees is not True] == []


@pytest.mark.parametrize("loss", elementwise(few()), ids=name)
def test_measured_facts_are_the_stated_ones(loss):
    stated, found = loss.facts, measured(loss)
    told = {"minimiser", "likelihood", "differentiable"}
    for field in fields(Facts):
        expected, got = getattr(stated, field.name), getattr(found, field.name)
        if field.name in told:
            continue
        if field.name in ("lipschitz", "smoothness") and expected is None:
            assert math.isfinite(got)
        elif isinstance(expected, float) and math.isfinite(expected):
            assert got == pytest.approx(expected, rel=0.35 if getattr(loss, "label_smoothing", 0) else 1e-6)
        else:
            assert got == expected, field.name
    assert (stated.differentiable == "everywhere") == (found.differentiable == "everywhere")


def test_facts_are_measured_without_being_read():
    class Unread(amiss.SquaredError):
        @property
        def facts(self):
            raise AssertionError("read")

    assert measured(dataclass(frozen=True)(Unread)()).smoothness == 2.0


# --- false claims ------------------------------------------------------------------------------------------
def test_a_false_claim_of_convexity_is_caught_with_a_chord():
    loss = own(
        lambda e: np.log1p(e * e),
        lambda e: 2 * e / (1 + e * e),
        lambda e: 2 * (1 - e * e) / (1 + e * e) ** 2,
        convex=True,
        lipschitz=1.0,
        smoothness=2.0,
        symmetric=True,
    )
    (finding,) = properties(loss).findings
    assert finding.name == "convex"
    (a, b), target = finding.witness.prediction, finding.witness.target
    chord = (float(loss([a], [target])) + float(loss([b], [target]))) / 2
    assert float(loss([(a + b) / 2], [target])) > chord + 1e-6
    assert finding.witness.numbers["chord"] == pytest.approx(chord)


def test_a_false_bound_of_the_gradient_is_caught_with_a_steeper_one():
    loss = own(np.square, lambda e: 2 * e, lambda e: 0 * e + 2, lipschitz=1.0, smoothness=2.0, symmetric=True)
    (finding,) = properties(loss).findings
    assert finding.name == "Lipschitz"
    assert (finding.claim, finding.number) == (1.0, math.inf)
    steep = loss.gradient([finding.witness.prediction], [finding.witness.target])
    assert abs(steep[0]) == finding.witness.numbers["gradient"] > 1.0


def test_a_false_claim_of_differentiability_is_caught_with_both_slopes():
    loss = own(
        lambda e: np.maximum(np.abs(e) - 0.1, 0),
        lambda e: np.sign(e) * (np.abs(e) > 0.1),
        lambda e: 0 * e,
        differentiable="everywhere",
        lipschitz=1.0,
        symmetric=True,
    )
    (finding,) = properties(loss).findings
    assert finding.name == "differentiable"
    place, target = finding.witness.prediction, finding.witness.target
    assert abs(place - target) == pytest.approx(0.1)
    beside = loss.gradient([place - 1e-6, place + 1e-6], [target, target], reduction="sum")
    assert beside.tolist() == [finding.witness.numbers["left"], finding.witness.numbers["right"]]


@pytest.mark.parametrize(
    ("claims", "caught"),
    [
        ({"lipschitz": 2.0}, []),
        ({"lipschitz": 1.0, "smoothness": 0.5}, ["smooth"]),
        ({"lipschitz": 1.0, "smoothness": 1.0, "symmetric": True, "lower_bound": 0.0}, []),
        ({"lipschitz": 1.0, "smoothness": 1.0, "differentiable": "not at error 0"}, []),
    ],
)
def test_other_claims_of_the_log_cosh_loss(claims, caught):
    loss = own(
        lambda e: np.abs(e) + np.log1p(np.exp(-2 * np.abs(e))) - np.log(2.0),
        np.tanh,
        lambda e: 1.0 - np.tanh(e) ** 2,
        **claims,
    )
    assert [one.name for one in properties(loss).findings] == caught


def test_a_gradient_of_the_wrong_sign_is_caught():
    loss = own(np.square, lambda e: -2 * e, lambda e: 0 * e + 2, smoothness=2.0, symmetric=True)
    (finding,) = properties(loss).findings
    assert finding.witness.text == "at prediction 1, target 0 the gradient is -2, the slope 2"


def test_a_hessian_that_is_half_of_it_is_caught():
    loss = own(np.square, lambda e: 2 * e, lambda e: 0 * e + 1, smoothness=1.0, symmetric=True)
    assert [one.name for one in properties(loss).findings] == ["derivatives"]


# --- losses of one's own ------------------------------------------------------------------------------------

OWN = {
    "(prediction-target)**2": {"Lipschitz", "robust"},
    "(prediction-target)**4": {"Lipschitz", "robust", "smooth"},
    "(prediction-target)**2 + 1": {"Lipschitz", "robust", "zero at perfection"},
    "(prediction-target)**2 - 1": {"Lipschitz", "robust", "zero at perfection", "non-negative"},
    "abs(prediction-target)": {"differentiable", "smooth"},
    "abs(prediction-target)**1.5": {"smooth", "Lipschitz", "robust"},
    "1 - exp(-(prediction-target)**2 / 2)": {"convex"},
    "log(1 + (prediction-target)**2)": {"convex"},
    "sqrt((prediction-target)**2 + 1) - 1": set(),
    "relu(prediction-target)": {
        "differentiable", "smooth", "symmetric"},
    "(prediction-target)**2 * (1 + 0.5*sign(prediction-target))": {"Lipschitz", "robust", "symmetric"},
    "where(abs(prediction-target) > 1, 1, 0)": {"differentiable", "smooth", "convex", "Lipschitz"},
}  # fmt: skip


@pytest.mark.parametrize("text", OWN)
def test_properties_of_an_expression(text):
    found = properties(amiss.define(text))
    assert {one.name for one in found if one.holds is False} >= OWN[text] - {"smooth"}
    assert {one.name for one in found if one.holds is False} <= OWN[text] | {"smooth"}
    assert found.findings == ()


@pytest.mark.parametrize(
    ("text", "redescends"),
    [
        ("1 - exp(-(prediction-target)**2 / 2)", True),
        ("log(1 + (prediction-target)**2)", True),
        ("sqrt(1 + (prediction-target)**2)", False),
    ],
)
def test_a_robust_loss_may_redescend(text, redescends):
    assert ("redescending" in properties(amiss.define(text))["robust"].text) == redescends


@pytest.mark.parametrize("epsilon", [1.0, 1e-3, 1e-6])
def test_a_narrow_bend_is_found(epsilon):
    loss = amiss.define("sqrt((prediction-target)**2 + c**2) - c", c=epsilon)
    assert properties(loss)["smooth"].number == pytest.approx(1 / epsilon, rel=1e-9)


@pytest.mark.parametrize("place", [0.1, 17.3, 1234.5])
def test_a_kink_is_found_wherever_it_is(place):
    witness = properties(amiss.define("relu(abs(prediction-target) - c)", c=place))["differentiable"].witness
    assert abs(witness.prediction - witness.target) == pytest.approx(place, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("(prediction-target)**2", 0.0),
        ("(prediction-target)**2 - 1", -1.0),
        ("prediction**2 - target**2", -math.inf),
    ],
)
def test_a_lower_bound_is_that_of_every_target(text, bound):
    assert measured(amiss.define(text)).lower_bound == bound


def test_a_gradient_without_a_number_is_a_hole():
    loss = own(lambda e: np.sqrt(np.abs(e)), lambda e: np.sign(e) / 2 / np.sqrt(np.abs(e)),
               lambda e: -0.25 * np.abs(e) ** -1.5)  # fmt: skip
    found = properties(loss)["differentiable"]
    assert found.witness.text == "at prediction = target = 0 the gradient is no finite number"


def test_numbers_that_overflow_are_no_witness():
    loss = own(lambda e: np.log(1 + np.exp(e)), lambda e: np.exp(e) / (1 + np.exp(e)),
               lambda e: np.exp(e) / (1 + np.exp(e)) ** 2)  # fmt: skip
    found = properties(loss)
    assert (found["Lipschitz"].number, found["smooth"].number) == (1.0, 0.25)
    assert found["convex"].holds


def test_a_loss_without_numbers_leaves_everything_open():
    nothing = lambda e: e * np.nan  # noqa: E731
    found = properties(own(nothing, nothing, nothing))
    assert {one.holds for one in found} == {None}
    assert found.findings == ()


# --- sums, words, errors -----------------------------------------------------------------------------------
def test_a_sum_of_losses_with_numbers_and_rows():
    found = properties(0.7 * amiss.Dice() + 0.3 * amiss.CrossEntropy())
    assert found.findings == ()
    assert found["convex"].agrees is None  # claimed with more care than a witness asks for


def test_a_number_loss_of_a_row_is_the_mean_over_the_row():
    found = properties(amiss.SquaredError() + 1.0 * amiss.CrossEntropy())
    assert found["smooth"].number == pytest.approx(2 / 3 + 0.5)


def test_a_bound_that_is_claimed_is_said_and_one_that_is_not_is_what_was_met():
    assert properties("huber(delta=2)")["Lipschitz"].text == "the gradient is at most 2"
    assert properties("focal")["Lipschitz"].text == "the largest gradient met is 1.12898"


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_the_curvature_of_cross_entropy_is_found_for_any_number_of_classes(classes):
    weights = tuple(1.0 + k for k in range(classes))
    assert properties(amiss.CrossEntropy(class_weight=weights))["smooth"].number == pytest.approx(classes / 2)


def test_a_spelling_is_enough():
    assert properties("huber") == properties(amiss.Huber())


def test_a_witness_says_its_numbers():
    assert properties("mse")["Lipschitz"].witness.text == (
        "at prediction -1e+06, target 0 the gradient has size 2e+06"
    )


def test_a_witness_beside_the_target_says_how_far():
    text = properties(amiss.define("1 / (prediction-target)"))["non-negative"].witness.text
    assert text == "at prediction = target - 1e-09, target 1, the value is -1e+09"


def test_plain_data_has_no_infinity():
    document = properties("mse").to_dict()
    lipschitz = next(one for one in document["properties"] if one["name"] == "Lipschitz")
    assert lipschitz["number"] == "inf"
    assert document["findings"] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [(amiss.Huber, "Construct it first"), (3, "Give a loss"), ("hubr", "Did you mean 'huber'")],
)
def test_what_is_no_loss_is_refused(given, told):
    with pytest.raises(ParameterError, match=told):
        properties(given)


def test_a_property_that_is_none_is_a_key_error():
    with pytest.raises(KeyError):
        properties("mae")["fast"]
