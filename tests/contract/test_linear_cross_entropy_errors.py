"""Cross-entropy behind a linear layer is a value, and says what is wrong with a call."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from linear import LIBRARIES, D, N, V, inputs
from losses_under_test import array

import amiss
from amiss import LinearCrossEntropy


def test_it_is_a_frozen_value():
    loss = LinearCrossEntropy(ignore_index=np.int64(-1), class_weight=[1, 2], memory=np.int64(1000))
    assert loss == LinearCrossEntropy(-1, (1.0, 2.0), 0.0, 1000) != LinearCrossEntropy()
    assert hash(loss) == hash(copy.deepcopy(loss))
    assert eval(repr(loss), vars(amiss)) == loss == pickle.loads(pickle.dumps(loss))
    with pytest.raises(FrozenInstanceError):
        loss.memory = 3


@pytest.mark.parametrize(
    "given",
    [
        {"memory": 0},
        {"memory": 1.5},
        {"memory": True},
        {"memory": None},
        {"ignore_index": 0.5},
        {"class_weight": (-1.0,)},
        {"label_smoothing": 1.0},
        {"label_smoothing": "much"},
    ],
)
def test_parameters_are_checked(given):
    with pytest.raises(amiss.ParameterError, match=rf"^LinearCrossEntropy: {next(iter(given))} must be "):
        LinearCrossEntropy(**given)


# --- errors ------------------------------------------------------------------------------------------------
WRONG = [
    ({"hidden": np.ones((N, D, 1))}, amiss.ShapeError, "weight must have shape (classes, 1)"),
    ({"hidden": np.ones((N, 0))}, amiss.ShapeError, "hidden must have at least one number per row"),
    ({"hidden": np.float64(1.0)}, amiss.ShapeError, "hidden must have at least one number per row"),
    ({"hidden": None}, amiss.DTypeError, "hidden must be an array of numbers; got None"),
    ({"hidden": np.ones((N, D), complex)}, amiss.DTypeError, "hidden must hold floating-point"),
    ({"hidden": torch.ones(N, D, dtype=torch.int64)}, amiss.DTypeError, "hidden must hold floating-point"),
    ({"hidden": jnp.ones((N, D))}, amiss.BackendError, "hidden must be a NumPy or PyTorch array"),
    ({"hidden": tf.ones((N, D))}, amiss.BackendError, "give them to CrossEntropy"),
    ({"weight": np.ones((D, V))}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    ({"weight": np.ones((0, D))}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    ({"weight": np.ones(D)}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    (
        {"weight": np.ones((V, D), np.float32)},
        amiss.DTypeError,
        "weight must have the dtype of hidden, float64",
    ),
    ({"weight": torch.ones(V, D)}, amiss.BackendError, "weight must be of the hidden's array library"),
    ({"weight": np.ones((V, D), complex)}, amiss.DTypeError, "weight must hold real numbers"),
    ({"bias": np.ones((V, 1))}, amiss.ShapeError, f"bias must have shape ({V},)"),
    ({"bias": np.ones(1)}, amiss.ShapeError, f"bias must have shape ({V},)"),
    ({"bias": np.ones(V, np.float32)}, amiss.DTypeError, "bias must have the dtype of hidden, float64"),
    ({"target": np.ones((N, 1), int)}, amiss.ShapeError, f"target must have shape ({N},)"),
    ({"target": np.ones((N, V))}, amiss.ShapeError, "target must hold class indices, of shape"),
    (
        {"target": np.ones(N)},
        amiss.DTypeError,
        "target must hold class indices, whole numbers; got dtype float64",
    ),
    (
        {"target": np.arange(N) * 10},
        amiss.DomainError,
        f"target must be a class index in 0..{V - 1}; got target[6] = 60",
    ),
    (
        {"target": torch.ones(N, dtype=int)},
        amiss.BackendError,
        "target must be of the hidden's array library",
    ),
    ({"sample_weight": np.ones((D,))}, amiss.ShapeError, f"sample_weight must have the items' shape ({N},)"),
    ({"sample_weight": np.full(N, np.nan)}, amiss.DomainError, "sample_weight must be a number"),
    (
        {"sample_weight": torch.ones(N, requires_grad=True)},
        amiss.ParameterError,
        "sample_weight must be a constant",
    ),
    ({"reduction": "average"}, amiss.ParameterError, "reduction must be one of"),
    ({"empty": "none"}, amiss.ParameterError, "empty must be one of"),
    ({"normalizer": 0}, amiss.ParameterError, "normalizer must be a positive finite number"),
]


@pytest.mark.parametrize(("wrong", "error", "text"), WRONG)
def test_a_wrong_call_says_what_must_hold(wrong, error, text):
    names = ("hidden", "weight", "target", "bias", "sample_weight")
    given = dict(zip(names, inputs(), strict=True)) | wrong
    for call in (LinearCrossEntropy().value_and_gradient, LinearCrossEntropy(memory=1)):
        with pytest.raises(error) as raised:
            call(**given)
        assert str(raised.value).startswith("LinearCrossEntropy: ")
        assert text in str(raised.value)


def test_as_many_class_weights_as_classes():
    with pytest.raises(amiss.ShapeError, match="class_weight must have one entry per class"):
        LinearCrossEntropy(class_weight=(1.0, 2.0))(*inputs()[:3])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bad_label_is_named_by_its_position_in_the_whole_target(library):
    hidden, weight, target, _, _ = inputs(shape=(4, 5))
    target[3, 2] = V
    with pytest.raises(amiss.DomainError, match=rf"got target\[3, 2\] = {V}\. To leave items out"):
        LinearCrossEntropy(memory=1)(*(array(library, x) for x in (hidden, weight, target)))
