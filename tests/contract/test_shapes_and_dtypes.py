"""Shapes must be equal, nothing is broadcast silently, and every dtype goes where the rules say."""

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch
from losses_under_test import (
    LIBRARIES,
    TRACED,
    K,
    array,
    close,
    draw,
    dtype_name,
    elementwise,
    hard,
    integers,
    is_batch,
    is_class,
    is_row,
    library_of,
    name,
    rows,
    variants,
)

import amiss

SINGLES, ROWS = elementwise(variants()), [loss for loss in variants() if is_class(loss)]


def shaped(loss, prediction_shape, target_shape, library="numpy"):
    """Return a prediction and a target of two shapes, with numbers inside the loss's domains."""
    prediction, _ = draw(loss, (1,))
    return (
        array(library, np.resize(prediction, prediction_shape)),
        array(library, np.resize(hard(loss, (1,)), target_shape)),
    )


# --- shapes --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        ((3,), (4,)),
        ((3,), (3, 1)),
        ((3, 1), (3,)),
        ((3, 1), (1, 3)),
        ((2, 3), (2, 2)),
        ((2, 3), (3,)),
        ((2, 3), (2, 1)),
        ((2, 3), (1, 3)),
        ((3,), (1,)),
        ((1,), (3,)),
        ((3,), ()),
        ((), (1,)),
        ((1,), ()),
        ((3, 0), (0, 3)),
        ((2, 3, 1), (2, 3)),
    ],
    ids=str,
)
def test_a_target_of_another_shape_is_refused(prediction, target, library):
    for loss in SINGLES:
        with pytest.raises(amiss.ShapeError) as raised:
            loss(*shaped(loss, prediction, target, library))
        text = str(raised.value)
        assert text.startswith(f"{type(loss).__name__}: prediction and target must have one shape; ")
        assert str(prediction) in text
        assert str(target) in text


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        ((4, K), (3,)),
        ((4, K), (4, 1)),
        ((4, K), (4, K + 1)),
        ((4, K), (1, K)),
        ((4, K), (K,)),
        ((4, K), ()),
        ((4, K), (1, 4)),
        ((2, 4, K), (2, K)),
        ((2, 4, K), (4,)),
        ((K,), (1,)),
    ],
    ids=str,
)
def test_a_row_target_of_another_shape_is_refused(prediction, target, library):
    for loss in ROWS:
        with pytest.raises(amiss.ShapeError) as raised:
            loss(array(library, np.full(prediction, -0.0)), array(library, np.zeros(target, np.int64)))
        text = str(raised.value)
        assert text.startswith(f"{type(loss).__name__}: target must have shape {prediction[:-1]}")
        assert f"got {target}" in text


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1), (1, 3), (2, 3, 2), (0,), (3, 0)], ids=str)
def test_equal_shapes_of_any_rank_are_taken(shape, library):
    for loss in SINGLES:
        prediction, target = shaped(loss, shape, shape, library)
        assert tuple(loss(prediction, target, reduction="none").shape) == shape
        assert tuple(loss.gradient(prediction, target, reduction="sum").shape) == shape
        assert tuple(loss(prediction, target, reduction="sum").shape) == ()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("items", [(), (1,), (4,), (4, 2), (0,), (4, 0)], ids=str)
def test_rows_of_items_of_any_rank_are_taken(items, library):
    for loss in rows(ROWS):
        prediction, soft = (array(library, x) for x in draw(loss, items))
        for target in (soft, array(library, integers(loss, items))):
            assert tuple(loss(prediction, target, reduction="none").shape) == items
            assert tuple(loss.gradient(prediction, target, reduction="sum").shape) == (*items, K)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_a_class_axis_may_lie_anywhere(loss, library):
    prediction, soft = draw(loss, (4, 2))
    index = integers(loss, (4, 2))
    direction = np.linspace(-1, 1, prediction.size).reshape(prediction.shape)
    for axis in (0, 1, -3, -2, 2):
        moved = type(loss)(**{key: getattr(loss, key) for key in loss.parameters()} | {"axis": axis})
        there = [array(library, np.moveaxis(x, -1, axis)) for x in (prediction, soft, direction)]
        for target, plain in ((there[1], soft), (array(library, index), index)):
            close(moved(there[0], target), loss(prediction, plain))
            found = moved.gradient(there[0], target)
            close(found, np.moveaxis(loss.gradient(prediction, plain), -1, axis))
            found = moved.hessian_product(there[0], target, there[2])
            close(found, np.moveaxis(loss.hessian_product(prediction, plain, direction), -1, axis))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_a_class_axis_that_is_not_there_is_refused(loss, library):
    moved = type(loss)(input=loss.input, axis=2)
    with pytest.raises(amiss.ShapeError, match="class axis 2"):
        moved(array(library, np.zeros((4, K))), array(library, np.zeros(4, np.int64)))
    with pytest.raises(amiss.ShapeError, match="class axis"):
        loss(array(library, np.zeros(())), array(library, np.zeros((), np.int64)))


# --- weights ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", SINGLES, ids=name)
def test_a_weight_weighs_leading_axes_and_never_trailing_ones(loss, library):
    prediction, target = draw(loss, (4, 2))
    here = [array(library, x) for x in (prediction, target)]
    for weight in (
        np.arange(1.0, 5.0),
        np.arange(1.0, 5.0)[:, None],
        np.array([[1.0, 3.0]]),
        np.array(2.0),
        2.0,
    ):
        full = np.broadcast_to(np.reshape(weight, (4, 1)) if np.shape(weight) == (4,) else weight, (4, 2))
        given = array(library, weight) if np.ndim(weight) else weight
        for reduction in ("mean", "sum", "none"):
            close(loss(*here, given, reduction), loss(prediction, target, full, reduction))
        close(loss.gradient(*here, given), loss.gradient(prediction, target, full))
    for weight in (np.ones(2), np.ones((1, 4)), np.ones(3), np.ones((4, 2, 1)), np.ones((2, 4))):
        with pytest.raises(amiss.ShapeError, match="weight must have the items' shape"):
            loss(*here, array(library, weight))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_a_weight_of_rows_weighs_items_not_classes(loss, library):
    prediction, target = draw(loss, (4, 2))
    here = [array(library, x) for x in (prediction, target)]
    for weight in (np.arange(1.0, 5.0), np.array([[1.0, 3.0]]), np.arange(1.0, 9.0).reshape(4, 2)):
        full = np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, (4, 2))
        close(loss(*here, array(library, weight)), loss(prediction, target, full))
    for weight in (np.ones(K), np.ones((4, 2, K)), np.ones((4, 2, 1)), np.ones(2)):
        with pytest.raises(amiss.ShapeError, match="weight must have the items' shape"):
            loss(*here, array(library, weight))


def test_a_square_batch_is_weighed_by_rows():
    loss, prediction = amiss.AbsoluteError(), np.array([[1.0, 2.0], [3.0, 4.0]])
    weight = np.array([1.0, 10.0])
    assert loss(prediction, np.zeros((2, 2)), weight, "sum") == 1 + 2 + 30 + 40
    assert loss(prediction, np.zeros((2, 2)), weight[None, :], "sum") == 1 + 20 + 3 + 40


# --- dtypes ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_half_precision_is_computed_in_float32(loss, library, dtype):
    prediction, target = (array(library, x, dtype) for x in draw(loss, (4,)))
    single = [
        array("numpy", np.asarray(x, np.float64) if library != "torch" else x.double().numpy(), "float32")
        for x in (prediction, target)
    ]
    value = loss(prediction, target)
    assert (library_of(value), dtype_name(value)) == (library, "float32")
    close(value, loss(*single))
    for found, expected in zip(
        loss.gradient_and_hessian(prediction, target), loss.gradient_and_hessian(*single), strict=True
    ):
        assert dtype_name(found) == dtype
        close(found, expected, ulps=1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_a_tape_through_half_precision_ends_in_it(loss, dtype):
    prediction, target = (array("torch", x, dtype) for x in draw(loss, (4,)))
    prediction.requires_grad_()
    loss(prediction, target).backward()
    assert dtype_name(prediction.grad) == dtype
    close(prediction.grad, loss.gradient(prediction.detach(), target), ulps=1)
    prediction, target = (array("jax", x, dtype) for x in draw(loss, (4,)))
    assert dtype_name(jax.grad(loss)(prediction, target)) == dtype


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_lists_integers_and_booleans_of_numpy_become_float64(loss):
    prediction = np.zeros(3, np.int64) if not is_row(loss) else np.zeros((3, K), np.int64)
    target = integers(loss, (3,))
    expected = loss(prediction.astype(np.float64), target)
    for given in (prediction, prediction.astype(np.uint8), prediction.astype(bool), prediction.tolist()):
        value, gradient = loss.value_and_gradient(given, target.tolist())
        assert value.dtype == gradient.dtype == np.float64
        assert value == expected


@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_a_tensor_of_whole_numbers_is_no_prediction(loss, library):
    shape = (3, K) if is_row(loss) else (3,)
    for dtype in ("int64", "int32", "bool"):
        with pytest.raises(amiss.DTypeError, match="prediction must hold floating-point numbers; got dtype"):
            loss(array(library, np.zeros(shape), dtype), array(library, integers(loss, (3,))))


@pytest.mark.parametrize("target_dtype", ["float64", "float32", "float16", "int64", "int32", "int8", "bool"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", SINGLES, ids=name)
def test_targets_and_weights_take_the_predictions_dtype(loss, library, target_dtype):
    prediction = array(library, draw(loss, (4,))[0], "float32")
    certain = np.abs(hard(loss, (4,))) if target_dtype == "bool" else hard(loss, (4,))
    target = array(library, certain.clip(-100, 100), target_dtype)
    plain = array(
        library, np.asarray(target if library != "torch" else target.double(), np.float64), "float32"
    )
    for weight_dtype in ("float64", "int64", "bool"):
        weight = array(library, np.array([1, 0, 1, 1]), weight_dtype)
        found = loss(prediction, target, weight)
        assert dtype_name(found) == "float32"
        close(found, loss(prediction, plain, array(library, np.array([1, 0, 1, 1]), "float32")), ulps=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_class_indices_of_any_width_reach_every_class(library, dtype):
    # 300 classes: in one byte neither the number of classes nor a comparison with it has room.
    classes = 300
    highest = min(np.iinfo(dtype).max, classes - 1)
    index = np.array([0, 1, highest], dtype)
    prediction = np.random.default_rng(0).normal(size=(3, classes))
    expected = [amiss.CrossEntropy()(prediction[i], int(index[i])) for i in range(3)]
    found = amiss.CrossEntropy()(array(library, prediction), array(library, index), reduction="none")
    close(found, np.array(expected))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_class_index_is_never_rounded(library):
    # 2**24 + 1 is no float32: an index that went through one would be the class before.
    loss = amiss.CrossEntropy(input="log_probabilities", ignore_index=2**24 + 1)
    prediction = array(library, np.log([[0.25, 0.75]]).repeat(2, 0), "float32")
    target = array(library, np.array([1, 2**24 + 1]))
    assert float(loss.total(prediction, target).weight) == 1.0
    with pytest.raises(amiss.DomainError, match=r"target\[1\] = 16777216"):
        loss(prediction, array(library, np.array([1, 2**24])))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_whole_numbers_of_the_predictions_shape_are_one_hot_rows(loss, library):
    prediction = array(library, draw(loss, (4,))[0])
    target = hard(loss, (4,))
    close(loss(prediction, array(library, target.astype(np.int64))), loss(prediction, array(library, target)))
    target[1] = 1.0
    with pytest.raises(amiss.DomainError, match="one-hot"):
        loss(prediction, array(library, target.astype(np.int64)))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_class_indices_must_be_whole_numbers(loss, library):
    with pytest.raises(
        amiss.DTypeError, match="target must hold whole numbers to be class indices; got dtype"
    ):
        loss(array(library, draw(loss, (4,))[0]), array(library, np.zeros(4)))


def misaligned(x):
    """Return a copy whose numbers lie one byte beside where a processor wants them."""
    copy = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


LAYOUTS = {
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "misaligned": misaligned,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_any_memory_layout_gives_the_same_numbers(loss, layout):
    prediction, soft = draw(loss, (4, 2))
    weight, reduction = np.arange(1.0, 9.0).reshape(4, 2), "sum" if is_batch(loss) else "none"
    for target in (soft, integers(loss, (4, 2))):
        given = [LAYOUTS[layout](x) for x in (prediction, target, weight)]
        plain = [np.array(x, x.dtype.newbyteorder("="), order="C") for x in given]
        for method in (loss, loss.gradient, loss.hessian):
            found, expected = method(*given, reduction=reduction), method(*plain, reduction=reduction)
            np.testing.assert_array_equal(found, expected)
            assert found.shape == expected.shape


# --- traced programs -------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_unknown_lengths_in_a_tensorflow_function(loss):
    tail = [None] if is_row(loss) else []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, *tail]),
            tf.TensorSpec([None, None, *tail]),
            tf.TensorSpec([None]),
        ]
    )
    def traced(prediction, target, weight):
        return loss.value_and_gradient(prediction, target, weight)

    for items in ((4, 2), (3, 5)):
        prediction, target = (array("numpy", x, "float32") for x in draw(loss, items))
        weight = np.arange(1, items[0] + 1, dtype=np.float32)
        for found, expected in zip(
            traced(prediction, target, weight),
            loss.value_and_gradient(prediction, target, weight),
            strict=True,
        ):
            close(found, expected)


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_a_mismatch_that_only_the_running_tensorflow_program_knows_is_refused(loss):
    tail = [K] if is_row(loss) else []

    @tf.function(input_signature=[tf.TensorSpec([None, *tail]), tf.TensorSpec([None, *tail])])
    def traced(prediction, target):
        return loss(prediction, target)

    prediction, target = (array("numpy", x, "float32") for x in draw(loss, (4,)))
    traced(prediction, target)
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced(prediction, target[:1])
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced(prediction[:1], target)


@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_class_indices_of_unknown_length_in_a_tensorflow_function(loss):
    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32)])
    def traced(prediction, target):
        return loss.gradient(prediction, target)

    prediction, target = draw(loss, (4,))[0].astype(np.float32), integers(loss, (4,))
    close(traced(prediction, target.astype(np.int32)), loss.gradient(prediction, target))
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced(prediction, target[:1].astype(np.int32))


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_shapes_are_checked_while_tracing(loss):
    prediction, target = draw(loss, (4,))
    with pytest.raises(amiss.ShapeError):
        jax.jit(loss)(prediction, target[:3])
    with pytest.raises(amiss.ShapeError):
        jax.vmap(loss)(prediction[:, None], target[:, None, None])
    with pytest.raises(amiss.ShapeError):
        torch.func.grad(loss)(torch.tensor(prediction), torch.tensor(target[:3]))
    with pytest.raises(amiss.ShapeError):
        tf.function(loss, autograph=False)(tf.constant(prediction), tf.constant(target[:3]))


@pytest.mark.parametrize("loss", ROWS, ids=name)
def test_jax_in_its_default_precision(loss):
    with jax.enable_x64(False):
        prediction, target = draw(loss, (4,))[0].astype(np.float32), integers(loss, (4,))
        found = jax.jit(loss)(prediction, target.astype(np.int32))
        assert dtype_name(found) == "float32"
        close(found, loss(prediction, target))
        close(jax.jit(jax.grad(loss))(prediction, target.astype(np.uint8)), loss.gradient(prediction, target))


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_xla_refuses_a_mismatch_too(loss):
    tail = [K] if is_row(loss) else []
    unknown = tf.TensorSpec([None, *tail])
    traced = tf.function(loss, input_signature=[unknown, unknown], jit_compile=True, autograph=False)
    prediction, target = (array("numpy", x, "float32") for x in draw(loss, (4,)))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        traced(prediction, target[:1])
