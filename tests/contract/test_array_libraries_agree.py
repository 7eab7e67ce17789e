"""NumPy, PyTorch, JAX and TensorFlow give the same numbers, in the prediction's library, dtype and place."""

import numpy as np
import pytest
from losses_under_test import (
    LIBRARIES,
    TRACED,
    array,
    cases,
    close,
    draw,
    dtype_name,
    hard,
    integers,
    is_batch,
    library_of,
    name,
    variants,
)

METHODS = ("__call__", "gradient", "hessian", "value_and_gradient", "gradient_and_hessian")


def reductions(loss):
    """Return a reduction to one number, and the other if the loss has a number for each item."""
    return ("mean",) if is_batch(loss) else ("mean", "none")


def together(results):
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_numbers_agree_with_numpy(loss, library, dtype):
    prediction, target = (array("numpy", x, dtype) for x in draw(loss, (4,)))
    weight = np.array([1.0, 0.5, 0.0, 2.0], dtype)
    here = [array(library, x) for x in (prediction, target, weight)]
    for reduction in reductions(loss):
        for method in METHODS if reduction == "mean" else METHODS[3:]:
            expected = getattr(loss, method)(prediction, target, weight, reduction)
            found = getattr(loss, method)(*here, reduction)
            for x, y in zip(together(found), together(expected), strict=True):
                close(x, y)
    direction = array("numpy", np.linspace(-1.0, 2.0, prediction.size).reshape(prediction.shape), dtype)
    expected = loss.hessian_product(prediction, target, direction, weight)
    close(loss.hessian_product(*here[:2], array(library, direction), here[2]), expected)
    close(loss.error(*here[:2]), loss.error(prediction, target))
    total, expected = loss.total(*here), loss.total(prediction, target, weight)
    close(total.mean, expected.mean)
    close(total.weight, expected.weight)


@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_whole_number_targets_agree_with_their_floating_form(loss, library):
    prediction, _ = draw(loss, (4,))
    prediction = array(library, prediction)
    certain, whole = array(library, hard(loss, (4,))), array(library, integers(loss, (4,)))
    for method in METHODS:
        expected = getattr(loss, method)(prediction, certain)
        found = getattr(loss, method)(prediction, whole)
        for x, y in zip(together(found), together(expected), strict=True):
            close(x, y, ulps=4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_results_have_the_predictions_library_and_dtype(loss, library, dtype):
    prediction, target = (array(library, x, dtype) for x in draw(loss, (4,)))
    direction = prediction * 0.5
    results = [
        *(loss(prediction, target, None, reduction) for reduction in ("sum", *reductions(loss))),
        *loss.value_and_gradient(prediction, target),
        *loss.gradient_and_hessian(prediction, target),
        loss.hessian_product(prediction, target, direction),
        loss.error(prediction, target),
        loss.total(prediction, target).mean,
        loss.total(prediction, target).weight,
    ]
    for result in results:
        assert (library_of(result), dtype_name(result)) == (library, dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_results_stay_on_the_second_device_of_jax(loss, weighted):
    import jax

    second = jax.devices()[1]
    prediction, target = (jax.device_put(x, second) for x in draw(loss, (4,)))
    weight = np.ones(4) if weighted else None
    results = [loss(prediction, target, weight), *loss.gradient_and_hessian(prediction, target, weight)]
    assert [result.devices() for result in results] == [{second}] * 3


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_nothing_of_a_tensor_on_another_device_is_read_or_moved(loss):
    # PyTorch's "meta" device holds shapes without numbers: reading one, or mixing in a CPU tensor, raises.
    import torch

    prediction, soft = (
        array("torch", x).to("meta").requires_grad_(i == 0) for i, x in enumerate(draw(loss, (4,)))
    )
    for target in (soft, array("torch", integers(loss, (4,))).to("meta")):
        value = loss(prediction, target, torch.ones(4, device="meta"))
        (gradient,) = torch.autograd.grad(value, prediction)
        results = [value, gradient, *loss.gradient_and_hessian(prediction, target)]
        assert {result.device.type for result in results} == {"meta"}


@pytest.mark.parametrize("library", TRACED)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_numpy_targets_and_weights_go_with_any_prediction(loss, library):
    prediction, target = draw(loss, (4,))
    weight = np.array([1.0, 0.5, 0.0, 2.0])
    found = loss(array(library, prediction), target, weight)
    assert library_of(found) == library
    close(found, loss(prediction, target, weight))
