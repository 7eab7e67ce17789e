"""PyTorch: the same numbers where the definitions agree, and each difference by its size."""

import numpy as np
import pytest
import torch
from losses_under_test import close
from torch.nn import functional

import amiss

RNG = np.random.default_rng(0)
Z, Y = torch.tensor(RNG.normal(size=(6, 2))), torch.tensor(RNG.normal(size=(6, 2)))
P, LABELS = torch.sigmoid(Z), (Y > 0).double()
SCORES, INDEX = torch.tensor(RNG.normal(size=(6, 3))), torch.tensor([0, 2, 1, 1, 2, 0])
ROWS = torch.softmax(torch.tensor(RNG.normal(size=(6, 3))), dim=1)
IMAGE, PIXELS = torch.tensor(RNG.normal(size=(2, 3, 4, 5))), torch.tensor(RNG.integers(0, 3, (2, 4, 5)))
CLASS_WEIGHT = (0.5, 2.0, 1.0)
WEIGHTS = torch.tensor(CLASS_WEIGHT, dtype=torch.float64)

SAME = {
    "MSELoss": (amiss.SquaredError(), torch.nn.MSELoss(reduction="none"), Z, Y),
    "L1Loss": (amiss.AbsoluteError(), torch.nn.L1Loss(reduction="none"), Z, Y),
    "HuberLoss": (amiss.Huber(delta=0.7), torch.nn.HuberLoss(delta=0.7, reduction="none"), Z, Y),
    "SmoothL1Loss": (amiss.Huber(delta=0.5) / 0.5, torch.nn.SmoothL1Loss(beta=0.5, reduction="none"), Z, Y),
    "BCEWithLogitsLoss": (
        amiss.BinaryCrossEntropy(),
        torch.nn.BCEWithLogitsLoss(reduction="none"),
        Z,
        torch.sigmoid(Y),
    ),
    "BCEWithLogitsLoss, pos_weight": (
        amiss.BinaryCrossEntropy(positive_weight=3.0),
        torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0), reduction="none"),
        Z,
        LABELS,
    ),
    "BCELoss": (amiss.get("BCELoss"), torch.nn.BCELoss(reduction="none"), P, LABELS),
    "CrossEntropyLoss": (
        amiss.get("CrossEntropyLoss"),
        torch.nn.CrossEntropyLoss(reduction="none"),
        SCORES,
        INDEX,
    ),
    "CrossEntropyLoss, probabilities": (
        amiss.CrossEntropy(),
        torch.nn.CrossEntropyLoss(reduction="none"),
        SCORES,
        ROWS,
    ),
    "CrossEntropyLoss, smoothed": (
        amiss.CrossEntropy(label_smoothing=0.2),
        torch.nn.CrossEntropyLoss(label_smoothing=0.2, reduction="none"),
        SCORES,
        INDEX,
    ),
    "CrossEntropyLoss, image": (
        amiss.get("CrossEntropyLoss"),
        torch.nn.CrossEntropyLoss(reduction="none"),
        IMAGE,
        PIXELS,
    ),
    "CrossEntropyLoss, one item": (
        amiss.CrossEntropy(),
        torch.nn.CrossEntropyLoss(reduction="none"),
        SCORES[0],
        INDEX[0],
    ),
    "NLLLoss": (
        amiss.get("NLLLoss"),
        torch.nn.NLLLoss(reduction="none"),
        torch.log_softmax(SCORES, 1),
        INDEX,
    ),
}


def by_tape(function, prediction, *arguments):
    """Return the value of a function and its gradient by autograd."""
    prediction = prediction.clone().requires_grad_()
    value = function(prediction, *arguments)
    return value.detach(), torch.autograd.grad(value.sum(), prediction)[0]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("peer", SAME)
def test_value_and_gradient_are_equal(peer, reduction):
    loss, theirs, prediction, target = SAME[peer]
    theirs.reduction = reduction
    value, gradient = by_tape(theirs, prediction, target)
    close(loss(prediction, target, reduction=reduction), value)
    close(loss.gradient(prediction, target, reduction=reduction), gradient)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_class_weights_of_class_indices_are_equal(reduction, smoothing):
    given = {"label_smoothing": smoothing, "ignore_index": 1}
    loss = amiss.CrossEntropy(class_weight=CLASS_WEIGHT, **given)
    theirs = torch.nn.CrossEntropyLoss(weight=WEIGHTS, reduction=reduction, **given)
    value, gradient = by_tape(theirs, SCORES, INDEX)
    close(loss(SCORES, INDEX, reduction=reduction), value)
    close(loss.gradient(SCORES, INDEX, reduction=reduction), gradient)


@pytest.mark.parametrize(
    "spelling",
    ["MSELoss", "L1Loss", "HuberLoss", "BCEWithLogitsLoss", "BCELoss", "CrossEntropyLoss", "NLLLoss"],
)
def test_a_spelling_of_torch_means_what_torch_means(spelling):
    theirs, (_, _, prediction, target) = getattr(torch.nn, spelling)(), SAME[spelling]
    close(amiss.get(f"torch.nn.{spelling}")(prediction, target), theirs(prediction, target))
    assert amiss.get(spelling) == amiss.get(f"torch.nn.{spelling}")


@pytest.mark.parametrize(
    "function",
    [
        "mse_loss",
        "l1_loss",
        "huber_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
    ],
)
def test_a_function_of_torch_means_what_torch_means(function):
    prediction, target = {
        "binary_cross_entropy": (P, LABELS),
        "binary_cross_entropy_with_logits": (Z, LABELS),
        "cross_entropy": (SCORES, INDEX),
    }.get(function, (Z, Y))
    theirs = getattr(functional, function)(prediction, target)
    close(amiss.get(f"torch.nn.functional.{function}")(prediction, target), theirs)


def test_element_weights_are_divided_by_their_sum_except_by_torchs_huber():
    weight = torch.tensor(RNG.uniform(size=(6, 2)))
    close(amiss.SquaredError()(Z, Y, weight), functional.mse_loss(Z, Y, weight=weight))
    close(amiss.AbsoluteError()(Z, Y, weight), functional.l1_loss(Z, Y, weight=weight))
    ours, theirs = amiss.Huber()(Z, Y, weight), functional.huber_loss(Z, Y, weight=weight)
    close(ours * weight.sum() / weight.numel(), theirs)
    close(amiss.Huber()(Z, Y, weight, normalizer=weight.numel()), theirs)


# --- differences ------------------------------------------------------------------------------------------
def test_torch_broadcasts_what_amiss_refuses():
    with pytest.warns(UserWarning, match="broadcasting"):
        theirs = functional.mse_loss(torch.arange(3.0), torch.arange(3.0)[:, None])
    assert theirs == pytest.approx(4 / 3)
    with pytest.raises(amiss.ShapeError, match="amiss never broadcasts"):
        amiss.SquaredError()(torch.arange(3.0), torch.arange(3.0)[:, None])


def test_torch_divides_class_weighted_one_hot_rows_by_their_number():
    rows = functional.one_hot(INDEX, 3).double()
    theirs = torch.nn.CrossEntropyLoss(weight=WEIGHTS)(SCORES, rows)
    loss = amiss.CrossEntropy(class_weight=CLASS_WEIGHT)
    close(loss(SCORES, rows), loss(SCORES, INDEX))
    close(loss(SCORES, rows, normalizer=len(INDEX)), theirs)


def test_torch_clamps_the_logarithm_and_gives_a_gradient_that_is_not_its_derivative():
    p, one = torch.tensor([0.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    value, gradient = by_tape(torch.nn.BCELoss(), p, one)
    twin = amiss.get("BCELoss")
    assert float(value) == 100.0
    assert float(gradient) == pytest.approx(-1e12)
    assert twin(p, one) == pytest.approx(100.0)
    assert twin.gradient(p, one) == 0.0
    assert amiss.BinaryCrossEntropy(input="probabilities")(p, one) == torch.inf


def test_torch_loses_the_digits_of_confident_right_answers():
    # Binary, float32: 7 % off at -12, and nothing left at -15; amiss is right to the last digits.
    zero = torch.zeros(1)
    for logit, lost in ((-12.0, 0.05), (-15.0, 1.0)):
        truth = np.log1p(np.exp(logit))
        theirs = functional.binary_cross_entropy_with_logits(torch.tensor([logit]), zero)
        assert abs(theirs.item() / truth - 1) >= lost
        assert amiss.BinaryCrossEntropy()(torch.tensor([logit]), zero).item() == pytest.approx(
            truth, rel=2e-7
        )
    # Of classes, float32: value and gradient are 0 from a gap of 17 on.
    row, index = torch.tensor([[18.0, 0.0, 0.0]]), torch.tensor([0])
    value, gradient = by_tape(functional.cross_entropy, row, index)
    assert value == gradient[0, 0] == 0.0
    truth = np.log1p(2 * np.exp(-18.0))
    assert amiss.CrossEntropy()(row, index).item() == pytest.approx(truth, rel=3e-7)
    assert amiss.CrossEntropy().gradient(row, index)[0, 0].item() == pytest.approx(-truth, rel=3e-7)


def test_torch_makes_a_masked_class_of_a_soft_target_nan():
    row = torch.tensor([[0.3, -torch.inf, 1.1]])
    target = torch.tensor([[0.0, 0.0, 1.0]])
    assert functional.cross_entropy(row, target).isnan()
    close(amiss.CrossEntropy()(row, target), functional.cross_entropy(row, torch.tensor([2])))


def test_the_mean_over_nothing_is_nan_in_both_and_only_amiss_spares_the_weights():
    ignored = torch.full((6,), -100)
    assert torch.nn.CrossEntropyLoss()(SCORES, ignored).isnan()
    assert amiss.get("CrossEntropyLoss")(SCORES, ignored).isnan()
    assert torch.all(amiss.get("CrossEntropyLoss").gradient(SCORES, ignored) == 0.0)
    assert torch.nn.CrossEntropyLoss(reduction="sum")(SCORES, ignored) == 0.0
    assert amiss.get("CrossEntropyLoss")(SCORES, ignored, reduction="sum") == 0.0
    for theirs, ours in ((torch.nn.MSELoss(), "mse"), (torch.nn.BCEWithLogitsLoss(), "bce")):
        assert theirs(torch.ones(0), torch.ones(0)).isnan()
        assert amiss.get(ours)(torch.ones(0), torch.ones(0)).isnan()


def test_torch_calls_a_bad_class_an_index_error():
    bad = torch.tensor([0, 3, 1, 1, 2, 0])
    with pytest.raises(IndexError):
        functional.cross_entropy(SCORES, bad)
    with pytest.raises(amiss.DomainError, match=r"target\[1\] = 3"):
        amiss.CrossEntropy()(SCORES, bad)


def test_torch_takes_a_label_of_2():
    assert functional.binary_cross_entropy_with_logits(torch.tensor([5.0]), torch.tensor([2.0])) < 0.0
    with pytest.raises(amiss.DomainError, match=r"target\[0\] = 2.0"):
        amiss.BinaryCrossEntropy()(torch.tensor([5.0]), torch.tensor([2.0]))


def test_a_float64_target_does_not_widen_the_result():
    prediction, target = torch.ones(2), torch.zeros(2, dtype=torch.float64)
    assert functional.mse_loss(prediction, target).dtype == torch.float64
    assert amiss.SquaredError()(prediction, target).dtype == torch.float32


def test_whole_number_labels_need_no_conversion():
    labels = torch.tensor([1, 0])
    with pytest.raises(RuntimeError):
        functional.binary_cross_entropy_with_logits(torch.ones(2), labels)
    close(
        amiss.BinaryCrossEntropy()(torch.ones(2), labels),
        amiss.BinaryCrossEntropy()(torch.ones(2), labels.float()),
    )


def test_subgradients_at_a_kink_are_the_same():
    zero = torch.zeros(1)
    for loss, theirs in ((amiss.AbsoluteError(), functional.l1_loss), (amiss.Huber(), functional.huber_loss)):
        for at in (0.0, 1.0, -1.0):
            _, gradient = by_tape(theirs, torch.tensor([at]), zero)
            assert loss.gradient(torch.tensor([at]), zero) == gradient
