"""Softmax cross-entropy with rows of probabilities as targets, in one pass of a kernel."""

import numpy as np
import pytest
import torch
from losses_under_test import answers_of_kernels, let_formulas_answer
from softmax_rows import DTYPES, assert_exact, draw, driven, options_for, softmax

import amiss
from amiss import kernels

CLASSES = (1, 2, 3, 10, 16, 31, 32, 33, 127, 128, 129, 143, 144, 1000, 40_000)


def probabilities(rows, classes, dtype, kind="dense"):
    rng = np.random.default_rng((rows, classes))
    share = rng.uniform(size=(rows, classes)) ** 4
    if kind == "sparse":
        share *= rng.uniform(size=share.shape) < 0.3
    share[0] = np.arange(classes) == classes // 2
    return np.clip(share / np.maximum(share.sum(-1, keepdims=True), 1e-3), 0, 1).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("classes", CLASSES)
def test_any_number_of_classes_and_rows(classes, kind, dtype):
    for rows in (1, 16, 17) if classes < 10_000 else (3,):
        z, _ = draw(rows, classes, dtype)
        target = probabilities(rows, classes, dtype, kind)
        assert_exact(z, target)
        assert_exact(z, target, **options_for(rows, classes, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [3, 20, 200])
def test_a_confident_row_keeps_its_digits(classes, dtype):
    z, _ = draw(5, classes, dtype)
    z[:, 1] += dtype(40)
    target = np.tile((np.arange(classes) == 1).astype(dtype), (5, 1))
    target[2:, 1], target[2:, 0] = dtype(1) - np.finfo(dtype).eps, np.finfo(dtype).eps
    assert_exact(z, target)


@pytest.mark.parametrize("classes", [10, 500])
def test_one_hot_rows_give_what_indices_give(classes):
    z, label = draw(33, classes, np.float64)
    hot = np.eye(classes)[label]
    indexed, soft = (driven(z, t, smoothing=0.1) for t in (label, hot))
    np.testing.assert_allclose(soft[0], indexed[0], rtol=1e-14)
    np.testing.assert_allclose(soft[1], indexed[1], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("classes", [7, 300])
def test_classes_that_are_masked_by_infinity_count_nothing(classes):
    z, _ = draw(18, classes, np.float64)
    target = probabilities(18, classes, np.float64)
    z[:, 3], target[:, 3] = -np.inf, 0.0
    kept = [k for k in range(classes) if k != 3]
    value, gradient = driven(z, target)
    fewer = driven(z[:, kept].copy(), target[:, kept].copy())
    np.testing.assert_allclose(value, fewer[0], rtol=1e-14)
    np.testing.assert_allclose(gradient[:, kept], fewer[1], rtol=1e-12, atol=1e-16)
    assert not gradient[:, 3].any()


@pytest.mark.parametrize("classes", [7, 300])
@pytest.mark.parametrize("place", [0, 5, -1])
def test_what_needs_a_closer_look_is_left_to_the_formula(classes, place):
    for argument, wrong in ((0, np.nan), (0, np.inf), (1, np.nan), (1, -1e-9), (1, 1.0001)):
        given = draw(18, classes, np.float64)[0], probabilities(18, classes, np.float64)
        given[argument][17, place] = wrong
        assert kernels.evaluate(softmax(), ("value", "gradient"), *given) is None


def test_the_formula_says_what_is_wrong_with_a_target():
    z, target = draw(4, 3, np.float64)[0], probabilities(4, 3, np.float64)
    target[2, 1] = 1.5
    with pytest.raises(amiss.DomainError, match=r"target\[2, 1\]"):
        amiss.CrossEntropy().value_and_gradient(z, target)
    with pytest.raises(amiss.DomainError, match=r"target\[2, 1\]"):
        amiss.CrossEntropy()(torch.tensor(z), torch.tensor(target))


@pytest.mark.parametrize(
    "loss", [amiss.CrossEntropy(), amiss.CrossEntropy(label_smoothing=0.1, class_weight=(1, 2, 5))]
)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(3,), (19, 3), (2, 4, 3)])
def test_a_loss_goes_through_the_kernel_and_gives_what_the_formula_gives(
    loss, reduction, weighted, shape, monkeypatch
):
    rng = np.random.default_rng(0)
    z, target = rng.normal(size=shape), rng.dirichlet(np.ones(3), shape[:-1])
    weight = rng.uniform(0.5, 2.0, shape[:-1]) if weighted else None
    with monkeypatch.context() as patch:
        let_formulas_answer(patch)
        expected = loss.value_and_gradient(z, target, weight, reduction=reduction)
    answers = answers_of_kernels(monkeypatch)
    found = loss.value_and_gradient(z, target, weight, reduction=reduction)
    assert len(answers) == 1
    for mine, right in zip(found, expected, strict=True):
        assert mine.shape == right.shape
        np.testing.assert_allclose(mine, right, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_give_what_torch_gives(dtype):
    rng = np.random.default_rng(0)
    z = torch.tensor(rng.normal(size=(50, 12)), dtype=dtype, requires_grad=True)
    target = torch.tensor(rng.dirichlet(np.ones(12), 50), dtype=dtype)
    mine = amiss.CrossEntropy(label_smoothing=0.1)(z, target)
    (gradient,) = torch.autograd.grad(mine, z)
    exact = z.detach().double().requires_grad_()
    theirs = torch.nn.functional.cross_entropy(exact, target.double(), label_smoothing=0.1)
    (right,) = torch.autograd.grad(theirs, exact)
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(
        mine.double(), theirs, rtol=4 * max(unit, 2e-7 if dtype != torch.float64 else 0), atol=0
    )
    torch.testing.assert_close(gradient.double(), right, rtol=8 * unit, atol=unit / 50)


def test_whole_numbers_of_the_shape_of_the_prediction_are_checked_as_one_hot_rows():
    z = torch.zeros(2, 3)
    with pytest.raises(amiss.DomainError, match="one-hot"):
        amiss.CrossEntropy()(z, torch.tensor([[1, 1, 0], [0, 0, 1]]))
    with pytest.raises(amiss.ShapeError):
        amiss.CrossEntropy()(z, torch.tensor([0.5, 0.5, 0.0]))
    with pytest.raises(amiss.DTypeError):
        amiss.CrossEntropy()(z, torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("shape", [(5, 10), (1000, 10), (9, 50_000)])
def test_any_number_of_threads_gives_the_same_bits(shape):
    z, _ = draw(*shape, np.float32)
    target = probabilities(*shape, np.float32)
    found = []
    for count in (1, 2, 5):
        with amiss.threads(count):
            found.append(amiss.CrossEntropy().value_and_gradient(z, target))
    assert len({(float(value), gradient.tobytes()) for value, gradient in found}) == 1
