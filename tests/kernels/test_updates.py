"""A step of an optimiser by a kernel is the step of its formula; a batch is gathered as NumPy does it."""

import numpy as np
import pytest

from amiss import kernels
from amiss.arrays import namespace_of
from amiss.network.optimisers import UPDATES

NUMBERS = {"momentum": (0.1, 0.9), "nesterov": (0.1, 0.9), "adam": (1e-3, 0.9, 0.999, 1e-8)}


def arrays(update, size, dtype):
    rng = np.random.default_rng(size)
    scales = 10.0 ** rng.uniform(-30, 3, size)
    given = [(rng.normal(size=size) * scales).astype(dtype) for _ in range(2 + UPDATES[update])]
    given[-1] = np.abs(given[-1])  # a sum of squares
    return given


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [1, 17, 4097, 300_003])
@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.__name__)
def test_a_kernel_makes_the_step_of_the_formula(update, size, dtype):
    given, numbers = arrays(update, size, dtype), (*NUMBERS[update.__name__], 1e-25)
    expected = update(namespace_of(given[0]), given, *numbers)
    changed = [array.copy() for array in given]
    assert kernels.update(update.__name__, changed, numbers)
    np.testing.assert_array_equal(changed[1], given[1])
    for found, right in zip([changed[0], *changed[2:]], expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_arrays_that_no_kernel_takes_are_left_alone():
    for given in (np.ones(4, np.float16), np.ones(8)[::2], np.ones(4, int)):
        others = [np.ones(4), np.zeros(4)]
        assert not kernels.update("momentum", [given, *others], (0.1, 0.9, 0.0))
        np.testing.assert_array_equal(given, 1)


def test_every_update_has_a_kernel_and_no_other_name_is_known():
    assert {update.__name__ for update in UPDATES} == NUMBERS.keys()
    with pytest.raises(ValueError, match="no update is called adagrad"):
        kernels.update("adagrad", [np.ones(1), np.ones(1)], ())
    with pytest.raises(ValueError, match="no update is called adam with so many"):
        kernels.update("adam", [np.ones(1), np.ones(1)], (0.1,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("scale", [1.0, 1 / 255, -2.0])
def test_a_batch_is_gathered_and_scaled(scale, kind, dtype):
    x = np.random.default_rng(0).integers(0, 256, (50, 33)).astype(kind)
    for rows in (np.array([3, 0, 49, 3]), np.arange(0), None):
        for given in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
            found = kernels.gather(given, rows, scale, dtype)
            assert found.dtype == dtype
            chosen = given if rows is None else given[rows]
            np.testing.assert_array_equal(found, chosen.astype(dtype) * np.dtype(dtype).type(scale))


def test_rows_that_are_not_there_raise():
    for row in (50, -51):
        with pytest.raises(IndexError):
            kernels.gather(np.ones((50, 2)), np.array([0, row]), 1.0, "float32")
    np.testing.assert_array_equal(kernels.gather(np.eye(3), np.array([-1]), 1.0, "float64"), [[0, 0, 1]])
