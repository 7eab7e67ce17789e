"""What PyTorch is known to get wrong: each defect shown at PyTorch, and the right answer of amiss."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from losses_under_test import close
from peers.truth import cross_entropy, in_a_forked_child, off, sigmoid, softplus
from torch.nn import functional

import amiss
from amiss import kernels

F32, F64 = torch.float32, torch.float64


def tensor(x, dtype=F64):
    return torch.tensor(x, dtype=dtype)


def by_tape(function, x):
    """Return the value of a function of a tensor and its derivative by autograd."""
    x = x.clone().requires_grad_()
    value = function(x)
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


# --- threads ---------------------------------------------------------------------------------------------
def test_a_forked_child_hangs():
    setup = """
import torch
torch.set_num_threads(4)
a, b = torch.tensor(x), torch.tensor(y)
def theirs():
    return torch.nn.functional.mse_loss(a, b)
"""
    assert in_a_forked_child(setup) == ["hangs 0", "ends with 0"]


def test_a_sum_depends_on_the_number_of_threads():
    rng, before = np.random.default_rng(0), torch.get_num_threads()
    x, y = rng.normal(size=(2, 5, 100_003)).astype(np.float32)
    theirs, ours = set(), set()
    try:
        for count in (1, 2, 3, 4):
            torch.set_num_threads(count)
            pairs = zip(torch.tensor(x), torch.tensor(y), strict=True)
            theirs.add(tuple(functional.mse_loss(*pair, reduction="sum").item() for pair in pairs))
            with kernels.threads(count):
                ours.add(tuple(map(partial(amiss.SquaredError(), reduction="sum"), x, y)))
    finally:
        torch.set_num_threads(before)
    assert len(theirs) > 1
    assert len(ours) == 1
    for found, error in zip(*ours, x.astype(float) - y, strict=True):
        close(found, math.fsum(error**2), ulps=2)


def test_a_sum_depends_on_the_order_in_memory():
    x, y = np.random.default_rng(2).normal(size=(2, 1000, 1003)).astype(np.float32)
    theirs, ours = set(), set()
    for a, b in ((x, y), (x.T.copy(), y.T.copy())):
        theirs.add(functional.mse_loss(torch.tensor(a), torch.tensor(b), reduction="sum").item())
        ours.add(float(amiss.SquaredError()(a, b, reduction="sum")))
    assert len(theirs) == 2
    assert len(ours) == 1


# --- means -----------------------------------------------------------------------------------------------
def test_the_weights_of_huber_are_not_divided_by():
    # Three equal losses have that loss as their mean, whatever they weigh.
    error, zero, weight = torch.full((3,), 2.0), torch.zeros(3), torch.tensor([1.0, 2.0, 5.0])
    assert functional.mse_loss(error, zero, weight=weight) == 4.0
    assert functional.l1_loss(error, zero, weight=weight) == 2.0
    assert functional.huber_loss(error, zero, weight=weight) == 1.5 * (8.0 / 3.0)
    assert amiss.Huber()(error, zero, weight) == 1.5


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float64", 1.7e308)])
def test_a_mean_overflows_that_a_float_can_hold(dtype, large):
    x, zero = np.full(2, large, dtype), np.zeros(2, dtype)
    for theirs, ours in (
        (functional.l1_loss, amiss.AbsoluteError()),
        (functional.huber_loss, amiss.Huber()),  # the ½ that is taken off is lost in rounding
        (functional.binary_cross_entropy_with_logits, amiss.BinaryCrossEntropy()),
    ):
        assert theirs(torch.tensor(x), torch.tensor(zero)) == torch.inf
        assert ours(x, zero) == x[0]


# --- infinities ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("dtype", "score"), [(F32, -89.0), (F32, -90.0), (F64, -710.0)], ids=str)
def test_soft_margin_is_infinite_where_the_loss_is_an_ordinary_number(dtype, score):
    x, yes = tensor([score], dtype), torch.ones(1, dtype=dtype)
    value, gradient = by_tape(lambda x: functional.soft_margin_loss(x, yes), x)
    assert value == torch.inf
    assert gradient.isnan()
    close(amiss.BinaryCrossEntropy()(x, yes), softplus(-score), ulps=2)
    close(amiss.BinaryCrossEntropy().gradient(x, yes), [-sigmoid(-score)], ulps=2)


def test_a_class_ruled_out_makes_the_loss_of_a_soft_target_nan():
    row, target = tensor([[0.3, -torch.inf, 1.1]], F32), tensor([[0.0, 0.0, 1.0]], F32)
    assert functional.cross_entropy(row, target).isnan()
    close(amiss.CrossEntropy()(row, target), cross_entropy(row[0], 2), ulps=4)


# --- lost digits -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("dtype", "logit", "lost"),
    [(F32, -10.0, 0.008), (F32, -12.0, 0.06), (F32, -15.0, 1.0), (F64, -30.0, 0.012), (F64, -36.0, 1.0)],
    ids=str,
)
def test_the_binary_loss_of_a_confident_right_answer_is_wrong(dtype, logit, lost):
    # pytorch/pytorch#195529
    x, no = tensor([logit], dtype), torch.zeros(1, dtype=dtype)
    assert off(functional.binary_cross_entropy_with_logits(x, no), softplus(logit)) >= lost
    close(amiss.BinaryCrossEntropy()(x, no), softplus(logit), ulps=2)


@pytest.mark.parametrize(("dtype", "logit"), [(F32, 17.0), (F64, 37.0)], ids=str)
def test_the_binary_gradient_of_a_confident_right_answer_is_0(dtype, logit):
    # pytorch/pytorch#195529
    x, yes = tensor([logit], dtype), torch.ones(1, dtype=dtype)
    _, gradient = by_tape(lambda x: functional.binary_cross_entropy_with_logits(x, yes), x)
    assert gradient == 0.0
    close(amiss.BinaryCrossEntropy().gradient(x, yes), [-sigmoid(-logit)], ulps=2)


@pytest.mark.parametrize(
    ("p", "label", "theirs", "truth"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (1.0, 1.0, 0.0, -1.0),
        (1.0 - 1e-15, 1.0, -0.000999, -1.0),
        (1e-13, 1.0, -1e12, -1e13),
        (0.0, 1.0, -1e12, -math.inf),
    ],
)
def test_the_gradient_of_a_probability_is_not_the_derivative(p, label, theirs, truth):
    # Related: pytorch/pytorch#103316. The true one is (p - label) / (p (1 - p)).
    x, target = tensor([p]), tensor([label])
    _, gradient = by_tape(lambda x: functional.binary_cross_entropy(x, target), x)
    assert gradient.item() == pytest.approx(theirs, rel=1e-3)
    ours = amiss.BinaryCrossEntropy(input="probabilities").gradient(x, target)
    assert ours.item() == pytest.approx(truth, rel=3e-15)


def test_the_loss_of_a_probability_stops_at_100():
    zero, one = tensor([0.0, 1e-300]), torch.ones(2, dtype=F64)
    theirs = functional.binary_cross_entropy(zero, one, reduction="none")
    assert theirs.tolist() == [100.0, 100.0]
    ours = amiss.BinaryCrossEntropy(input="probabilities")(zero, one, reduction="none")
    assert ours.tolist() == [math.inf, pytest.approx(300 * math.log(10), rel=1e-15)]


def test_the_second_derivative_of_a_probability_is_not_the_derivative_of_the_first():
    x, one = tensor([0.0625]).requires_grad_(), torch.ones(1, dtype=F64)
    (first,) = torch.autograd.grad(functional.binary_cross_entropy(x, one), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    assert off(second, 256.0) > 1e-11  # 1 / p²
    assert amiss.BinaryCrossEntropy(input="probabilities").hessian(x.detach(), one) == 256.0


@pytest.mark.parametrize(
    ("dtype", "gap", "lost"),
    [(F32, 15.0, 0.16), (F32, 17.0, 1.0), (F64, 30.0, 0.001), (F64, 37.0, 1.0)],
    ids=str,
)
def test_the_cross_entropy_of_a_confident_right_answer_is_wrong(dtype, gap, lost):
    row, index = tensor([[gap, 0.0]], dtype), torch.tensor([0])
    value, gradient = by_tape(lambda z: functional.cross_entropy(z, index), row)
    truth, rest = cross_entropy(row[0], 0), sigmoid(-gap)
    assert off(value, truth) >= lost
    assert off(gradient[0, 0], -rest) >= lost
    assert off(gradient[0, 1], rest) < 1e-6  # so that the two, whose sum is 0 in truth, do not cancel
    close(amiss.CrossEntropy()(row, index), truth, ulps=4)
    close(amiss.CrossEntropy().gradient(row, index), [[-rest, rest]], ulps=4)


# --- what is taken that has no meaning ---------------------------------------------------------------------
def test_a_column_against_a_vector_is_broadcast():
    with pytest.warns(UserWarning, match="broadcasting"):
        theirs = functional.huber_loss(torch.zeros(3), torch.zeros(3, 1), reduction="none")
    assert theirs.shape == (3, 3)
    with pytest.raises(amiss.ShapeError, match="amiss never broadcasts"):
        amiss.Huber()(torch.zeros(3), torch.zeros(3, 1))


def test_a_binary_label_of_2_makes_the_loss_negative():
    five, two = torch.tensor([5.0]), torch.tensor([2.0])
    assert functional.binary_cross_entropy_with_logits(five, two) < -4.9
    with pytest.raises(amiss.DomainError, match=r"target must be in \[0, 1\]; got target\[0\] = 2.0"):
        amiss.BinaryCrossEntropy()(five, two)


# --- the losses that are new: KLDivergence, Poisson, CosineDistance ------------------------
def test_a_class_of_probability_0_that_the_target_rules_out_too_makes_the_divergence_nan():
    log_p, target = tensor([[-math.inf, 0.0]]), tensor([[0.0, 1.0]])
    assert functional.kl_div(log_p, target, reduction="sum").isnan()
    assert amiss.KLDivergence(input="log_probabilities")(log_p, target) == 0.0


def test_a_log_target_of_probability_0_makes_the_divergence_nan():
    log_p, target = tensor([[-1.0, -0.5]]), tensor([[0.0, 1.0]])
    assert functional.kl_div(log_p, target.log(), log_target=True, reduction="sum").isnan()
    assert amiss.KLDivergence(input="log_probabilities")(log_p, target) == 0.5


def test_a_negative_probability_makes_the_divergence_nan():
    log_p, target = tensor([[-1.0, -0.5]]), tensor([[-0.5, 1.5]])
    assert functional.kl_div(log_p, target, reduction="sum").isnan()
    with pytest.raises(amiss.DomainError, match=r"target must be in \[0, 1\]; got target\[0, 0\] = -0.5"):
        amiss.KLDivergence(input="log_probabilities")(log_p, target)


def test_a_count_of_minus_1_is_taken():
    log_rate, count = torch.tensor([1.0]), torch.tensor([-1.0])
    assert functional.poisson_nll_loss(log_rate, count).isfinite()
    with pytest.raises(amiss.DomainError, match=r"got target\[0\] = -1.0"):
        amiss.Poisson()(log_rate, count)


def test_a_rate_of_minus_1_gives_nan():
    rate, count = torch.tensor([-1.0]), torch.tensor([1.0])
    assert functional.poisson_nll_loss(rate, count, log_input=False).isnan()
    with pytest.raises(amiss.DomainError, match=r"got prediction\[0\] = -1.0"):
        amiss.Poisson(input="rate")(rate, count)


@pytest.mark.parametrize(("dtype", "size"), [(F32, 1e20), (F64, 1e200)], ids=str)
def test_large_equal_vectors_are_called_orthogonal(dtype, size):
    x = tensor([[size, size]], dtype)
    assert functional.cosine_similarity(x, x) == 0.0
    assert abs(amiss.CosineDistance()(x, x)) <= 2 * torch.finfo(dtype).eps


def test_equal_vectors_of_length_1e10_are_embedded_at_distance_1():
    x = tensor([[1e10, 1e10]], F32)
    assert functional.cosine_embedding_loss(x, x, torch.ones(1)) == 1.0
    assert abs(amiss.CosineDistance()(x, x)) <= 2 * torch.finfo(F32).eps
