"""An eager tensor's value comes with its gradient from one pass; the tape behaves as PyTorch's own."""

import numpy as np
import pytest
import torch

import amiss

LOSS = amiss.BinaryCrossEntropy()


@pytest.fixture
def given():
    torch.manual_seed(0)
    prediction = torch.randn(6, dtype=torch.float64, requires_grad=True)
    return prediction, torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)


def expected(prediction, target, weight=None, reduction="mean"):
    arrays = [None if x is None else x.detach().numpy() for x in (prediction, target, weight)]
    return LOSS.gradient(*arrays, reduction=reduction)


@pytest.fixture
def passes(monkeypatch):
    """Count how often a value is put on the tape together with its gradient."""
    from amiss.arrays import torch as tensors

    found, made = tensors.reduced, []
    monkeypatch.setattr(tensors, "reduced", lambda *a: made.append(found(*a)) or made[-1])
    return made


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_that_of_arrays(given, weighted, reduction, passes):
    prediction, target, weight = given if weighted else (*given[:2], None)
    LOSS(prediction, target, weight, reduction).backward()
    np.testing.assert_array_equal(prediction.grad.numpy(), expected(prediction, target, weight, reduction))
    assert len(passes) == 1
    assert passes[0] is not None


def test_upstream_derivatives_multiply(given):
    prediction, target, _ = given
    (3 * LOSS(prediction, target)).backward()
    np.testing.assert_allclose(prediction.grad.numpy(), 3 * expected(prediction, target), rtol=1e-15)


def test_a_graph_that_is_kept_gives_the_gradient_again(given):
    prediction, target, _ = given
    value = LOSS(prediction, target)
    value.backward(retain_graph=True)
    prediction.grad.zero_()  # the gradient belongs to whoever has it
    value.backward()
    np.testing.assert_allclose(prediction.grad.numpy(), expected(prediction, target), rtol=1e-14)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        value.backward()


def test_a_second_derivative_is_the_hessian_also_after_a_first(given):
    prediction, target, _ = given
    value = LOSS(prediction, target, reduction="sum")
    value.backward(retain_graph=True)
    (first,) = torch.autograd.grad(value, prediction, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), prediction)
    hessian = LOSS.hessian(prediction.detach().numpy(), target.numpy(), reduction="sum")
    np.testing.assert_allclose(second.numpy(), hessian, rtol=1e-14)


def test_a_second_derivative_of_a_prediction_that_was_changed_is_refused(given):
    prediction, target, _ = given
    middle = prediction * 2
    value = LOSS(middle, target)
    with torch.no_grad():
        middle.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(value, prediction, create_graph=True)


def test_nothing_is_kept_where_no_gradient_is_asked_for(given):
    prediction, target, _ = given
    with torch.no_grad():
        assert LOSS(prediction, target).grad_fn is None
    assert LOSS(prediction.detach(), target).grad_fn is None


def test_a_target_that_is_learnt_gets_its_gradient(given, passes):
    prediction, target, _ = given
    target.requires_grad_()
    amiss.SquaredError()(prediction, target).backward()
    assert passes == [None]
    torch.testing.assert_close(target.grad, -prediction.grad)


def test_views_and_negated_views_are_read_right(given):
    prediction, target, _ = given
    both = torch.complex(prediction.detach(), target).conj()
    negated = both.imag.clone()  # of -target
    assert torch.equal(LOSS(prediction, -negated), LOSS(prediction, target))
    assert torch.equal(LOSS(prediction, -both.imag), LOSS(prediction, target))


def test_functional_transforms_take_the_formulas(given, passes):
    prediction, target, _ = given
    plain = prediction.detach()
    by_function = torch.func.grad(lambda z: LOSS(z, target))(plain)
    np.testing.assert_allclose(by_function.numpy(), expected(plain, target), rtol=1e-14)
    _, slope = torch.func.jvp(lambda z: LOSS(z, target), (plain,), (torch.ones_like(plain),))
    torch.testing.assert_close(slope, by_function.sum())
    assert all(made is None for made in passes)


def test_a_tensor_whose_numbers_are_negated_in_its_memory_is_read_as_it_looks():
    negated = torch.view_as_complex(torch.tensor([[1.0, 2.0], [3.0, -4.0]])).conj().imag
    assert negated.is_neg()
    assert amiss.AbsoluteError()(negated, torch.zeros(2)).item() == 3.0  # of -2 and 4
    assert amiss.SquaredError()(torch.zeros(2), negated, reduction="none").tolist() == [4.0, 16.0]


def test_strides_of_tensors_are_followed():
    x = torch.arange(24.0).reshape(6, 4).requires_grad_()
    value = amiss.SquaredError()(x.t()[1:3, ::2], torch.zeros(1, 1).expand(2, 3))
    value.backward()
    assert value.item() == pytest.approx((1 + 81 + 289 + 4 + 100 + 324) / 6, rel=1e-7)
    expected = torch.zeros(6, 4)
    expected[::2, 1:3] = x.detach()[::2, 1:3] / 3
    torch.testing.assert_close(x.grad, expected)
