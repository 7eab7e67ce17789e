"""Kernels take arrays as they lie in memory: any strides, any real dtype, weights that broadcast."""

import ctypes

import numpy as np
import pytest
import torch

import amiss
from amiss import kernels

LOSS = amiss.BinaryCrossEntropy()
LARGE = amiss.Huber(delta=1e30)
"""Its gradient is the error, so that what is read and written can be seen."""


@pytest.fixture(autouse=True)
def only_kernels(monkeypatch):
    """Let nothing but a kernel answer."""

    def refuse(*arguments, **options):
        raise AssertionError("the portable path was taken")

    monkeypatch.setattr(amiss.BinaryCrossEntropy, "_in_steps", refuse)
    monkeypatch.setattr(amiss.Huber, "_in_steps", refuse)


def arrays(shape, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=shape).astype(dtype),
        rng.random(shape).astype(dtype),
        rng.random(shape).astype(dtype),
    )


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


LAYOUTS = {
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "columns first": np.asfortranarray,
    "axes in another order": lambda x: np.ascontiguousarray(x.transpose(1, 2, 0)).transpose(2, 0, 1),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


@pytest.mark.parametrize("which", ["prediction", "target", "weight", "all"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_change_no_bit(layout, dtype, which):
    given = dict(zip(("prediction", "target", "weight"), arrays((7, 61, 13), dtype), strict=True))
    laid = {name: LAYOUTS[layout](x) if which in (name, "all") else x for name, x in given.items()}
    same(LOSS.value_and_gradient(**laid), LOSS.value_and_gradient(**given))
    same(LOSS.gradient_and_hessian(**laid), LOSS.gradient_and_hessian(**given))


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "read-only"])
def test_results_are_written_in_place_whatever_the_strides(layout):
    prediction, target, _ = arrays((7, 61, 13))
    out = LAYOUTS[layout](np.zeros_like(prediction))
    found = LOSS.gradient(prediction, target, out=out)
    assert found is out
    np.testing.assert_array_equal(out, LOSS.gradient(prediction, target))


@pytest.mark.parametrize("shape", [(9,), (9, 1, 1), (1, 31, 1), (9, 31), (1, 1, 7), (9, 31, 7)])
def test_a_weight_is_broadcast_without_a_copy(shape):
    prediction, target, _ = arrays((9, 31, 7))
    weight = np.random.default_rng(1).random(shape)
    padded = weight.reshape(shape + (1,) * (3 - len(shape)))
    expanded = np.ascontiguousarray(np.broadcast_to(padded, prediction.shape))
    same(
        LOSS.value_and_gradient(prediction, target, weight),
        LOSS.value_and_gradient(prediction, target, expanded),
    )


@pytest.mark.parametrize("kind", ["?", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "e", "f", "d"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_targets_of_every_real_dtype(kind, dtype):
    prediction, target = arrays((50,), dtype)[0], (np.arange(50) % 3 == 0).astype(kind)
    found = LOSS.value_and_gradient(prediction, target)
    same(found, LOSS.value_and_gradient(prediction, target.astype(dtype)))


def test_the_memory_of_c_is_read_whose_byte_order_is_written_out():
    numbers = (ctypes.c_float * 3)(0.0, 1.0, 0.5)
    target = np.ctypeslib.as_array(numbers)
    assert memoryview(target).format in ("<f", ">f", "f")
    prediction = np.array([1.0, -2.0, 3.0])
    same(
        LOSS.value_and_gradient(prediction, target),
        LOSS.value_and_gradient(prediction, np.array([0.0, 1.0, 0.5])),
    )
    swapped = target.astype(target.dtype.newbyteorder())
    assert kernels.evaluate(LOSS._kernel, ("gradient",), prediction, swapped) is None


def test_derivatives_of_our_own_may_be_shorter_than_the_prediction():
    given = arrays((9, 31))
    exact = LOSS.gradient_and_hessian(*given)
    found = kernels.evaluate(LOSS._kernel, ("gradient", "hessian"), *given, dtype=np.float32)
    for short, long in zip(found, exact, strict=True):
        assert short.dtype == np.float32
        np.testing.assert_array_equal(short, long.astype(np.float32))
    out = {"gradient": np.empty((9, 31), np.float32)}
    assert (
        kernels.evaluate(LOSS._kernel, ("gradient",), *given, out=out) is None
    )  # a caller's has the same dtype


def test_whole_numbers_become_the_nearest_floating_ones():
    target = np.array([2**62 + 1, -(2**53) - 1, 16_777_217, 127, -128])
    for dtype in (np.float64, np.float32):
        found = LARGE.gradient(np.zeros(5, dtype), target, reduction="sum")
        np.testing.assert_array_equal(found, -target.astype(dtype))


# --- half precision ----------------------------------------------------------------------------------------
def test_every_number_of_half_precision_is_read_as_it_is():
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    with np.errstate(invalid="ignore"):
        found = LARGE.gradient(numbers.astype(np.float32), np.zeros(2**16, np.float16), reduction="sum")
        read = LARGE.gradient(np.zeros(2**16, np.float32), numbers, reduction="sum")
    finite = np.isfinite(numbers)
    np.testing.assert_array_equal(read[finite], -numbers[finite].astype(np.float32))
    np.testing.assert_array_equal(found[finite], numbers[finite].astype(np.float32))
    np.testing.assert_array_equal(np.isnan(read), np.isnan(numbers))


def halfway():
    """Return numbers on, just beside and halfway between those of half precision, and too large ones."""
    near = np.arange(2**15 - 1024, dtype=np.uint16).view(np.float16).astype(np.float32)
    middle = (near[:-1] + near[1:]) / 2
    all_of_them = [near, middle, np.nextafter(middle, np.inf), np.nextafter(middle, 0)]
    return np.concatenate([*all_of_them, np.float32([65519.0, 65520.0, 1e6, 1e-9, 0.0])]).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_results_are_rounded_to_half_precision_once(dtype):
    numbers = torch.from_numpy(np.concatenate([halfway(), -halfway()]))
    prediction = torch.zeros(len(numbers), dtype=getattr(torch, dtype), requires_grad=True)
    LARGE(prediction, -numbers, reduction="sum").backward()
    assert torch.equal(prediction.grad, numbers.to(getattr(torch, dtype)))


def test_the_value_of_half_precision_is_single():
    value, gradient = LOSS.value_and_gradient(*(x.astype(np.float16) for x in arrays((5,))[:2]))
    assert value.dtype == np.float32
    assert gradient.dtype == np.float16


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_an_output_past_the_cache_is_written_where_it_lies_and_nowhere_else(offset, dtype):
    n = (1 << 25) // np.dtype(dtype).itemsize + 5
    prediction = np.arange(n, dtype=dtype) % 1001
    around = np.full(n + 8, -1.0, dtype)
    out = around[offset : offset + n]
    assert LARGE.gradient(prediction, np.zeros_like(prediction), reduction="sum", out=out) is out
    assert np.array_equal(out, prediction)
    assert (around[:offset] == -1.0).all()
    assert (around[offset + n :] == -1.0).all()


# --- what kernels refuse -----------------------------------------------------------------------------------
def test_an_output_over_an_input_is_left_alone():
    prediction, target, _ = arrays((100,))
    kernel = LOSS._kernel
    for out in (prediction, prediction[::-1], target):
        before = out.copy()
        assert kernels.evaluate(kernel, ("gradient",), prediction, target, out={"gradient": out}) is None
        np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize(
    "target",
    [np.zeros(4), np.zeros((5, 1)), np.zeros(5, complex), np.zeros(5, ">f8"), np.zeros(5, object), [0.0] * 5],
    ids=["length", "rank", "complex", "byte order", "objects", "list"],
)
def test_what_is_no_array_of_the_shape_is_refused(target):
    assert kernels.evaluate(LOSS._kernel, ("value",), np.zeros(5), target) is None


def test_memory_that_is_not_aligned_is_refused():
    raw = np.zeros(8 * 5 + 1, np.uint8)
    crooked = raw[1:].view(np.float64) if raw.ctypes.data % 8 == 0 else raw[:-1].view(np.float64)
    assert kernels.evaluate(LOSS._kernel, ("value",), crooked, np.zeros(5)) is None
