"""A loss is a value: frozen, compared by what it says, stored and printed without losing anything."""

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import jax
import numpy as np
import pytest
import torch
from losses_under_test import LIBRARIES, array, cases, classes, close, draw, few, name, numbers, numeric

import amiss


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_it_is_a_frozen_dataclass(loss):
    assert is_dataclass(loss)
    for field in fields(loss):
        with pytest.raises(FrozenInstanceError):
            setattr(loss, field.name, getattr(loss, field.name))


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_equal_parameters_make_equal_losses_with_one_hash(loss):
    again = type(loss)(**{field.name: getattr(loss, field.name) for field in fields(loss)})
    assert again == loss
    assert hash(again) == hash(loss)
    assert len({loss, again}) == 1


def test_different_losses_are_different():
    assert len(set(cases())) == len(cases())
    assert all(a != b for i, a in enumerate(cases()) for b in cases()[i + 1 :])


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_copies_are_equal(loss):
    assert copy.copy(loss) == copy.deepcopy(loss) == loss
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(loss, protocol)) == loss
    assert replace(loss) == loss


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_its_text_makes_it_again(loss):
    assert eval(repr(loss), vars(amiss)) == loss


@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_parameters_of_any_number_type_are_stored_as_one(loss):
    for key, about in numeric(loss).items():
        whole = next((x for x in (1, 0) if x in about["domain"]), None)
        same = (0.5, np.float32(0.5)) if whole is None else (whole, np.int64(whole), np.float32(whole))
        losses = [loss(**{key: number}) for number in (*same, float(same[0]))]
        assert len(set(map(repr, losses))) == len(set(losses)) == 1
    if "class_weight" in loss.parameters():
        weights = [loss(class_weight=given) for given in ([1, 2], (1.0, 2.0), np.array([1, 2]))]
        assert len(set(weights)) == 1


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_a_call_leaves_nothing_behind(loss, library):
    # Another call between two equal ones changes neither result nor inputs.
    inputs = [array(library, x) for x in draw(loss, (4,))]
    before = [numbers(x).copy() for x in inputs]
    first = loss.value_and_gradient(*inputs)
    loss.value_and_gradient(*(array(library, x) for x in draw(loss, (4, 2), seed=7)))
    second = loss.value_and_gradient(*inputs)
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(numbers(x), numbers(y))
    for x, y in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(numbers(x), y)


def test_a_result_is_an_array_of_its_own():
    prediction, target = np.zeros(3), np.zeros(3)
    for result in (
        amiss.SquaredError().gradient(prediction, target, reduction="sum"),
        amiss.SquaredError().error(prediction, target),
        amiss.SquaredError()(prediction, target, reduction="none"),
    ):
        assert not np.shares_memory(result, prediction)
        assert not np.shares_memory(result, target)
        assert result.flags.writeable


@pytest.mark.parametrize("loss", few(), ids=name)
def test_it_is_a_constant_of_a_compiled_jax_program(loss):
    prediction, target = draw(loss, (4,))
    traced = []

    def call(which, x, y):
        traced.append(which)
        return which(x, y)

    compiled = jax.jit(call, static_argnums=0)
    for same in (loss, copy.deepcopy(loss)):
        close(compiled(same, prediction, target), loss(prediction, target))
    assert len(traced) == 1


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_it_is_an_attribute_of_a_stored_torch_module(loss, tmp_path):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.loss = loss

    model = copy.deepcopy(Model())
    prediction, target = (array("torch", x) for x in draw(loss, (4,)))
    assert model.loss == loss
    assert model.loss(prediction, target) == loss(prediction, target)
    torch.save(loss, tmp_path / "loss.pt")
    assert torch.load(tmp_path / "loss.pt", weights_only=False) == loss
