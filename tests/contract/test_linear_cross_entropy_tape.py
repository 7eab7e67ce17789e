"""Cross-entropy behind a linear layer on PyTorch's tape."""

import numpy as np
import pytest
import torch
from linear import MEMORY, OPTIONS, N, agree, inputs, oracle

import amiss
from amiss import LinearCrossEntropy


def leaves(*given):
    return [torch.tensor(x, requires_grad=True) for x in given]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_tape_gives_the_gradients(reduction):
    hidden, weight, target, bias, sample_weight = (x[:7] for x in inputs())
    operands, mass = leaves(hidden, weight, bias), torch.from_numpy(sample_weight)
    target = torch.from_numpy(target % 7)

    def call(h, w, b):
        return LinearCrossEntropy(ignore_index=3)(h, w, target, b, mass, reduction=reduction)

    assert torch.autograd.gradcheck(call, operands)


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_tape_multiplies_by_what_comes_from_above(reduction, options, memory):
    hidden, weight, target, bias, sample_weight = inputs()
    h, w, b = leaves(hidden, weight, bias)
    loss, upstream = LinearCrossEntropy(**options, memory=memory), np.array(-0.7)
    if reduction == "none":
        upstream = np.random.default_rng(1).normal(size=N)
    given = torch.from_numpy(target), b, torch.from_numpy(sample_weight)
    loss(h, w, *given, reduction=reduction).backward(torch.from_numpy(upstream))
    if reduction == "none":
        expected = oracle(loss, hidden, weight, target, bias, sample_weight * upstream, "sum")[1:]
    else:
        expected = [upstream * x for x in oracle(loss, *inputs(), reduction)[1:]]
    agree([x.grad for x in (h, w, b)], expected)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)])
def test_only_what_requires_a_gradient_gets_one(wanted):
    hidden, weight, target, bias, _ = inputs()
    operands = [torch.from_numpy(x) for x in (hidden, weight, bias)]
    for i in wanted:
        operands[i].requires_grad_()
    loss = LinearCrossEntropy()
    loss(operands[0], operands[1], torch.from_numpy(target), operands[2]).backward()
    expected = oracle(loss, hidden, weight, target, bias)[1:]
    for i, x in enumerate(operands):
        assert (x.grad is not None) == (i in wanted)
        if i in wanted:
            agree([x.grad], [expected[i]])


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_a_graph_may_be_retained_and_gradients_accumulate(scale):
    hidden, weight, target, _, _ = inputs()
    (h, w), loss = leaves(hidden, weight), LinearCrossEntropy()
    value = scale * loss(h, w, torch.from_numpy(target))
    value.backward(retain_graph=True)
    value.backward()
    expected = oracle(loss, hidden, weight, target)
    agree([h.grad, w.grad], [2 * scale * x for x in expected[1:3]])


def test_without_a_tape_nothing_is_recorded():
    hidden, weight, target, _, _ = inputs()
    h, w = leaves(hidden, weight)
    with torch.no_grad():
        assert not LinearCrossEntropy()(h, w, torch.from_numpy(target)).requires_grad
    value, gradients = LinearCrossEntropy().value_and_gradient(h, w, torch.from_numpy(target))
    assert not value.requires_grad
    assert not gradients.hidden.requires_grad


def test_there_is_no_second_derivative():
    hidden, weight, target, _, _ = inputs()
    h, w = leaves(hidden, weight)
    value = LinearCrossEntropy()(h, w, torch.from_numpy(target))
    (gradient,) = torch.autograd.grad(value, h, create_graph=True)
    agree([gradient.detach()], [oracle(LinearCrossEntropy(), hidden, weight, target)[1]])
    with pytest.raises(amiss.BackendError, match="a gradient must not be differentiated again"):
        torch.autograd.grad(gradient.sum(), w)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # PyTorch's own, at any graph break
def test_a_compiled_program_may_call_it():
    hidden, weight, target, bias, sample_weight = inputs()
    h, w, b = leaves(hidden, weight, bias)
    loss = LinearCrossEntropy(ignore_index=3)
    call = torch.compile(lambda *given: 2.0 * loss(*given), backend="aot_eager")
    value = call(h, w, torch.from_numpy(target), b, torch.from_numpy(sample_weight))
    value.backward()
    expected = oracle(loss, hidden, weight, target, bias, sample_weight)
    agree([value.detach(), h.grad, w.grad, b.grad], [2 * x for x in expected])
