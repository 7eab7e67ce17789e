"""Derivatives are written to arrays of the caller, whatever their layout, and nothing else is touched."""

import numpy as np
import pytest
from losses_under_test import TRACED, array, draw, integers, name, variants

import amiss


def layouts(like):
    """Return arrays of a shape and dtype to write to, contiguous and not, and the input itself."""
    wide = np.full((*like.shape, 2), 7.0, like.dtype)
    yield np.full_like(like, 7.0), None
    yield np.full_like(like, 7.0, order="F"), None
    yield wide[..., 0], wide[..., 1]
    yield like, None


@pytest.mark.parametrize("method", ["gradient", "hessian", "value_and_gradient"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", [*variants(), 0.5 * amiss.Huber() + amiss.SquaredError()], ids=name)
def test_a_derivative_is_written_to_the_array_that_is_given(loss, dtype, method):
    first = loss.parts[0][1] if hasattr(loss, "parts") else loss
    for weight in (None, np.array([1.0, 0.0, 2.0], dtype)):
        for target in (draw(first, (3, 2))[1].astype(dtype), integers(first, (3, 2))):
            prediction = draw(first, (3, 2))[0].astype(dtype)
            expected = getattr(loss, method)(prediction, target, weight)
            for out, beside in layouts(prediction):
                found = getattr(loss, method)(prediction, target, weight, out=out)
                if method == "value_and_gradient":
                    assert found[0] == expected[0]
                assert (found[1] if isinstance(found, tuple) else found) is out
                np.testing.assert_array_equal(out, expected[1] if isinstance(expected, tuple) else expected)
                assert beside is None or np.all(beside == 7.0)


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_both_derivatives_are_written_in_one_pass(loss):
    prediction, target = draw(loss, (4,))
    out = np.empty_like(prediction), np.empty_like(prediction)
    expected = loss.gradient_and_hessian(prediction, target)
    found = loss.gradient_and_hessian(prediction, target, out=out)
    for given, returned, right in zip(out, found, expected, strict=True):
        assert returned is given
        np.testing.assert_array_equal(given, right)


@pytest.mark.parametrize("library", TRACED)
def test_other_libraries_return_new_arrays(library):
    prediction = array(library, np.zeros(3))
    with pytest.raises(amiss.BackendError, match="out must be a NumPy array, for a NumPy prediction"):
        amiss.Huber().gradient(prediction, prediction, out=np.empty(3))


@pytest.mark.parametrize("loss", [amiss.Huber(), amiss.RootMeanSquaredError(), 2 * amiss.Huber()], ids=repr)
def test_an_array_that_does_not_fit_is_refused(loss):
    x = np.zeros((2, 3))
    with pytest.raises(amiss.ShapeError, match=r"the prediction's shape \(2, 3\); got \(3, 2\)"):
        loss.gradient(x, x, out=np.empty((3, 2)))
    with pytest.raises(amiss.DTypeError, match="out must have the gradient's dtype float64; got float32"):
        loss.gradient(x, x, out=np.empty((2, 3), np.float32))
    fixed = np.empty((2, 3))
    fixed.flags.writeable = False
    with pytest.raises(amiss.ParameterError, match="out must be writeable"):
        loss.value_and_gradient(x, x, out=fixed)
    with pytest.raises(amiss.BackendError, match="got list"):
        loss.gradient(x, x, out=[0.0])
