"""`one_hot` turns class indices into rows on every array library."""

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch
from losses_under_test import LIBRARIES, array, dtype_name, library_of, numbers

import amiss


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)], ids=str)
def test_every_index_becomes_a_row(library, dtype, shape):
    index = np.random.default_rng(0).integers(0, 4, shape).astype(dtype)
    rows = amiss.one_hot(array(library, index), 4)
    assert library_of(rows) == library
    assert dtype_name(rows).startswith("float")
    np.testing.assert_array_equal(numbers(rows), np.eye(4)[index.astype(int)])


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_index_out_of_range_is_named_with_its_position(library):
    for bad in (3, -1):
        with pytest.raises(
            amiss.DomainError, match=rf"one_hot: target must be .* in 0\.\.2; got target\[1\] = {bad}"
        ):
            amiss.one_hot(array(library, np.array([0, bad])), 3)


def test_an_index_out_of_range_is_a_row_of_zeros_in_a_traced_program():
    expected = [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    index = np.array([0, 2, -1])
    np.testing.assert_array_equal(jax.jit(lambda t: amiss.one_hot(t, 2))(index), expected)
    np.testing.assert_array_equal(tf.function(lambda t: amiss.one_hot(t, 2))(tf.constant(index)), expected)
    np.testing.assert_array_equal(
        torch.func.vmap(lambda t: amiss.one_hot(t, 2))(torch.tensor(index)), expected
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_fractions_are_no_indices(library):
    with pytest.raises(amiss.DTypeError, match="one_hot: target must hold whole numbers; got dtype"):
        amiss.one_hot(array(library, np.array([0.0, 1.0])), 3)


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, None, "3"], ids=repr)
def test_the_number_of_classes_is_a_whole_number(classes):
    with pytest.raises(amiss.ParameterError, match="classes must be a whole number of at least 1"):
        amiss.one_hot([0], classes)
