"""Each library's own differentiation finds the written gradient and Hessian, in every mode that it has."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from jax.test_util import check_grads
from losses_under_test import (
    array,
    cases,
    close,
    draw,
    few,
    formula,
    integers,
    is_batch,
    items_of,
    name,
    numbers,
    variants,
)
from torch.autograd import forward_ad

import amiss
from amiss.arrays import dispatch
from amiss.arrays.precise import PreciseNamespace

WEIGHT = np.array([1.0, 0.5, 0.0, 2.0])
REDUCTIONS = ("mean", "sum")


def inputs(loss, library, dtype="float64", items=(4,)):
    return tuple(array(library, x, dtype) for x in draw(loss, items))


def alone(loss, prediction, target):
    """Return the gradient of each item in a batch of its own."""
    pairs = zip(prediction, target, strict=True)
    return np.stack([loss.gradient(x[None], t[None], reduction="sum") for x, t in pairs])


def inside(domain, x):
    """Return numbers that were moved away from the ends of a domain, where no quotient is as good as 1e-6."""
    if np.isfinite(domain.low) and np.isfinite(domain.high):
        return 0.6 * x + 0.2 * (domain.low + domain.high)
    return x + 0.5 if np.isfinite(domain.low) else x - 0.5 if np.isfinite(domain.high) else x


def whole_hessian(loss, prediction, target, weight=None, reduction="mean"):
    """Return the second derivative of the reduced loss as a matrix over all numbers of the prediction."""
    columns = []
    for k in range(prediction.size):
        direction = np.zeros(prediction.size)
        direction[k] = 1.0
        direction = direction.reshape(prediction.shape)
        columns.append(loss.hessian_product(prediction, target, direction, weight, reduction).ravel())
    return np.stack(columns)


def quotient(formula, x, step=1e-25):
    """Return how every number of a formula's result changes with every number of x, to 40 digits."""
    xp = PreciseNamespace(digits=80)
    x, columns = xp.array(x), []
    for k in range(x.size):
        push = np.zeros(x.size)
        push[k] = step
        push = xp.array(push.reshape(x.shape))
        columns.append((formula(xp, x + push) - formula(xp, x - push)).ravel() / (2 * xp.number(step)))
    return np.stack(columns, axis=-1).astype(float)


def by_target(loss, prediction, target):
    """Return how the sum of the items, and each number of the gradient, change with each of the target."""
    precise = PreciseNamespace(digits=80).array(prediction)
    value = quotient(lambda xp, t: items_of(loss, xp, precise, t), target).sum(0)
    mixed = quotient(lambda xp, t: formula(loss, "gradient", xp, precise, t), target)
    return value.reshape(target.shape), mixed


# --- PyTorch -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_torch_backward_is_the_gradient(loss, reduction):
    prediction, target = inputs(loss, "torch")
    weight = torch.tensor(WEIGHT)
    prediction.requires_grad_()
    loss(prediction, target, weight, reduction).backward()
    close(prediction.grad, loss.gradient(prediction.detach(), target, weight, reduction), ulps=4)
    close(prediction.grad, loss.gradient(numbers(prediction), numbers(target), WEIGHT, reduction))


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "none"])
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_torch_difference_quotients_confirm_first_and_second_derivatives(loss, reduction):
    if reduction == "none" and is_batch(loss):
        return  # it has no number per item
    prediction, target = inputs(loss, "torch")
    weight = torch.tensor(WEIGHT)
    prediction.requires_grad_()
    call = lambda x: loss(x, target, weight, reduction)  # noqa: E731
    assert torch.autograd.gradcheck(call, prediction, eps=1e-6, atol=1e-8, rtol=1e-6)
    assert torch.autograd.gradgradcheck(call, prediction, eps=1e-6, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_derivatives_in_target(loss):
    prediction, target = (x.requires_grad_() for x in inputs(loss, "torch"))
    expected, mixed = by_target(loss, *draw(loss, (4,)))
    value = loss(prediction, target, reduction="sum")
    gradient, found = torch.autograd.grad(value, (prediction, target), create_graph=True)
    close(found, expected)
    rows = [torch.autograd.grad(number, target, retain_graph=True)[0].ravel() for number in gradient.ravel()]
    close(torch.stack(rows), mixed)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_derivative_in_weight(loss):
    prediction, target = inputs(loss, "torch")
    weight = torch.tensor([1.0, 0.5, 1.5, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: loss(prediction, target, w), weight, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_func_grad_hessian_jvp_and_vmap(loss):
    prediction, target = inputs(loss, "torch")
    x, t = numbers(prediction), numbers(target)
    call = lambda z: loss(z, target)  # noqa: E731
    close(torch.func.grad(call)(prediction), loss.gradient(x, t))
    matrix = torch.func.hessian(call)(prediction).reshape(x.size, x.size)
    close(matrix, whole_hessian(loss, x, t))
    along = torch.linspace(-1.0, 2.0, x.size, dtype=torch.float64).reshape(x.shape)
    value, change = torch.func.jvp(call, (prediction,), (along,))
    close(value, loss(x, t))
    close(change, np.sum(loss.gradient(x, t) * numbers(along)))
    each = torch.func.vmap(torch.func.grad(partial(loss, reduction="sum")))
    close(each(prediction[:, None], target[:, None]), alone(loss, x, t))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_dual_numbers_change_as_reverse_mode_says(loss, both):
    operands = [x.requires_grad_() for x in inputs(loss, "torch")]
    slopes = torch.autograd.grad(loss(*operands), operands)
    along = [
        torch.linspace(start, 2.0, x.numel()).double().reshape(x.shape)
        for start, x in zip((-1.0, 0.25), operands, strict=True)
    ]
    with forward_ad.dual_level():
        dual = [forward_ad.make_dual(x.detach(), d) for x, d in zip(operands, along, strict=True)]
        change = forward_ad.unpack_dual(loss(dual[0], dual[1] if both else operands[1].detach())).tangent
    close(change, sum((slope * d).sum() for slope, d in list(zip(slopes, along, strict=True))[: 1 + both]))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_vmap_over_class_indices_and_labels(loss):
    prediction, _ = inputs(loss, "torch")
    target = torch.tensor(integers(loss, (4,)))
    each = torch.func.vmap(torch.func.grad(partial(loss, reduction="sum")))
    close(each(prediction[:, None], target[:, None]), alone(loss, numbers(prediction), integers(loss, (4,))))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_torch_mask_keeps_a_nan_out_of_first_and_second_derivatives(loss):
    prediction, target = inputs(loss, "torch")
    prediction[2] = torch.nan
    prediction.requires_grad_()
    value = loss(prediction, target, torch.tensor(WEIGHT))
    (gradient,) = torch.autograd.grad(value, prediction, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), prediction, allow_unused=True)
    kept = np.array([0, 1, 3])
    close(value, loss(numbers(prediction)[kept], numbers(target)[kept], WEIGHT[kept]))
    close(gradient[kept], loss.gradient(numbers(prediction)[kept], numbers(target)[kept], WEIGHT[kept]))
    assert torch.all(gradient[2] == 0.0)
    assert torch.all(torch.isfinite(second))
    assert torch.all(second[2] == 0.0)


@pytest.fixture
def compiler():
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Dynamo's own, while it imports
        yield partial(torch.compile, fullgraph=True)
    torch._dynamo.reset()


def test_torch_compiled_in_one_graph(compiler):
    # All losses together, as every program costs a run of the C++ compiler.
    losses, weight = variants(), torch.tensor(WEIGHT, dtype=torch.float32)
    predictions, targets = zip(*(inputs(loss, "torch", "float32") for loss in losses), strict=True)
    eager = [(x.numpy().copy(), t.numpy(), weight.numpy()) for x, t in zip(predictions, targets, strict=True)]
    for prediction in predictions:
        prediction.requires_grad_()

    @compiler
    def together(predictions, targets):
        return [loss(x, t, weight) for loss, x, t in zip(losses, predictions, targets, strict=True)]

    values = together(predictions, targets)
    sum(values).backward()
    for loss, value, prediction, given in zip(losses, values, predictions, eager, strict=True):
        print(name(loss))  # the last one that is shown is the one that failed
        close(value, loss(*given))
        close(prediction.grad, loss.gradient(*given))


def test_torch_compiles_what_was_never_called_before(compiler, monkeypatch):
    monkeypatch.setattr(dispatch, "_of_type", {})  # what is remembered of the types of earlier calls
    loss, prediction = amiss.Huber(), torch.tensor([3.0])
    assert compiler(loss, backend="eager")(prediction, torch.zeros(1)) == 2.5  # 1 * (3 - 1 / 2)


def test_torch_refuses_a_second_derivative_through_a_compiled_graph(compiler):
    prediction, loss = torch.tensor([1.0, 2.0], requires_grad=True), amiss.BinaryCrossEntropy()
    value = compiler(lambda x: loss(x, torch.ones(2)), backend="aot_eager")(prediction)
    (gradient,) = torch.autograd.grad(value, prediction, create_graph=True)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        torch.autograd.grad(gradient.sum(), prediction)


# --- JAX -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_jax_grad_is_the_gradient(loss, reduction):
    prediction, target = inputs(loss, "jax")
    found = jax.grad(lambda x: loss(x, target, WEIGHT, reduction))(prediction)
    close(found, loss.gradient(numbers(prediction), numbers(target), WEIGHT, reduction))


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_jax_difference_quotients_confirm_two_orders_in_both_modes(loss):
    prediction, target = draw(loss, (4,))
    weight = jnp.array([1.0, 0.5, 1.5, 2.0])
    np.random.seed(0)  # the directions are drawn from the global generator
    check_grads(
        lambda x: loss(jnp.asarray(x), target, weight),
        (jnp.asarray(inside(loss.prediction_domain, prediction)),),
        order=2,
        modes=("fwd", "rev"),
        eps=1e-5,
        atol=1e-6,
        rtol=1e-6,
    )


@pytest.mark.parametrize("loss", few(), ids=name)
def test_jax_derivatives_in_target(loss):
    prediction, target = inputs(loss, "jax")
    expected, mixed = by_target(loss, *draw(loss, (4,)))
    summed = partial(loss, reduction="sum")
    close(jax.grad(summed, argnums=1)(prediction, target), expected)
    matrix = jax.jacobian(jax.grad(summed), argnums=1)(prediction, target)
    close(matrix.reshape(mixed.shape), mixed)


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_jax_derivative_in_weight(loss):
    prediction, target = inputs(loss, "jax")
    weight = jnp.array([1.0, 0.5, 1.5, 2.0])
    check_grads(lambda w: loss(prediction, target, w), (weight,), 2, ("fwd", "rev"), 1e-6, 1e-6, 1e-4)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_jax_jit_hessian_jvp_and_vmap(loss):
    prediction, target = inputs(loss, "jax")
    x, t = numbers(prediction), numbers(target)
    along = jnp.linspace(-1.0, 2.0, x.size).reshape(x.shape)

    @jax.jit
    def every_mode(prediction, target):
        value, gradient = jax.value_and_grad(loss)(prediction, target, WEIGHT)
        matrix = jax.hessian(loss)(prediction, target)
        _, change = jax.jvp(lambda z: loss(z, target), (prediction,), (along,))
        each = jax.vmap(jax.grad(partial(loss, reduction="sum")))(prediction[:, None], target[:, None])
        return value, gradient, matrix, change, each

    value, gradient, matrix, change, each = every_mode(prediction, target)
    close(value, loss(x, t, WEIGHT))
    close(gradient, loss.gradient(x, t, WEIGHT))
    close(matrix.reshape(x.size, x.size), whole_hessian(loss, x, t))
    close(change, np.sum(loss.gradient(x, t) * numbers(along)))
    close(each, alone(loss, x, t))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_jax_whole_number_targets_under_jit_and_vmap(loss):
    prediction, _ = inputs(loss, "jax")
    target = integers(loss, (4,))
    expected = alone(loss, numbers(prediction), target)
    each = jax.jit(jax.vmap(jax.grad(partial(loss, reduction="sum"))))
    close(each(prediction[:, None], jnp.asarray(target)[:, None]), expected)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_jax_mask_keeps_a_nan_out_of_first_and_second_derivatives(loss):
    prediction, target = inputs(loss, "jax")
    broken = prediction.at[2].set(jnp.nan)
    kept = np.array([0, 1, 3])
    gradient = jax.grad(loss)(broken, target, WEIGHT)
    close(gradient[kept], loss.gradient(numbers(prediction)[kept], numbers(target)[kept], WEIGHT[kept]))
    assert jnp.all(gradient[2] == 0.0)
    second = jax.grad(lambda x: jnp.sum(jax.grad(loss)(x, target, WEIGHT) ** 2))(broken)
    assert jnp.all(jnp.isfinite(second))


# --- TensorFlow ----------------------------------------------------------------------------------------
def tf_gradient(loss, *arguments):
    prediction = arguments[0]
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(*arguments)
    return value, tape.gradient(value, prediction)


def tf_hessian(loss, *arguments):
    prediction = arguments[0]
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(prediction)
        with tf.GradientTape() as inner:
            inner.watch(prediction)
            value = loss(*arguments)
        gradient = inner.gradient(value, prediction)
    return outer.jacobian(gradient, prediction, experimental_use_pfor=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", cases(), ids=name)
def test_tensorflow_tape_is_the_gradient(loss, reduction):
    prediction, target = inputs(loss, "tensorflow")
    value, gradient = tf_gradient(loss, prediction, target, tf.constant(WEIGHT), reduction)
    x, t = numbers(prediction), numbers(target)
    close(value, loss(x, t, WEIGHT, reduction))
    close(gradient, loss.gradient(x, t, WEIGHT, reduction))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_tensorflow_nested_tapes_are_the_hessian(loss):
    prediction, target = inputs(loss, "tensorflow")
    x, t = numbers(prediction), numbers(target)
    matrix = tf.reshape(tf_hessian(loss, prediction, target), (x.size, x.size))
    close(matrix, whole_hessian(loss, x, t))


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_tensorflow_function_gives_value_gradient_and_hessian(loss):
    prediction, target = inputs(loss, "tensorflow")

    @tf.function
    def traced(prediction, target, weight):
        with tf.GradientTape() as outer:
            outer.watch(prediction)
            value, gradient = tf_gradient(loss, prediction, target, weight)
        return (
            value,
            gradient,
            outer.gradient(gradient, prediction, output_gradients=tf.ones_like(prediction)),
        )

    x, t = numbers(prediction), numbers(target)
    for program in (traced, tf.function(traced, jit_compile=True)):  # a graph, and by XLA
        value, gradient, product = program(prediction, target, tf.constant(WEIGHT))
        close(value, loss(x, t, WEIGHT))
        close(gradient, loss.gradient(x, t, WEIGHT))
        close(product, loss.hessian_product(x, t, np.ones(x.shape), WEIGHT))


@pytest.mark.parametrize("loss", few(), ids=name)
def test_tensorflow_derivatives_in_target(loss):
    prediction, target = inputs(loss, "tensorflow")
    expected, mixed = by_target(loss, *draw(loss, (4,)))
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(target)
        value = loss(prediction, target, reduction="sum")
        with tf.GradientTape() as inner:
            inner.watch(prediction)
            again = loss(prediction, target, reduction="sum")
        gradient = inner.gradient(again, prediction)
    close(outer.gradient(value, target), expected)
    matrix = outer.jacobian(gradient, target, experimental_use_pfor=False)
    close(tf.reshape(matrix, mixed.shape), mixed)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_tensorflow_derivative_in_weight(loss):
    prediction, target = inputs(loss, "tensorflow")
    weight = tf.constant([1.0, 0.5, 1.5, 2.0], tf.float64)
    theory, numeric = tf.test.compute_gradient(lambda w: loss(prediction, target, w), [weight], delta=1e-6)
    np.testing.assert_allclose(theory[0], numeric[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_tensorflow_forward_mode(loss):
    prediction, target = inputs(loss, "tensorflow")
    along = tf.reshape(tf.linspace(tf.constant(-1.0, tf.float64), 2.0, tf.size(prediction)), prediction.shape)
    with tf.autodiff.ForwardAccumulator(prediction, along) as accumulator:
        value = loss(prediction, target)
    expected = np.sum(loss.gradient(numbers(prediction), numbers(target)) * numbers(along))
    close(accumulator.jvp(value), expected)


@pytest.mark.parametrize("loss", few(), ids=name)
def test_tensorflow_mask_keeps_a_nan_out_of_first_and_second_derivatives(loss):
    x, t = draw(loss, (4,))
    x[2] = np.nan
    kept = np.array([0, 1, 3])
    _, gradient = tf_gradient(loss, tf.constant(x), tf.constant(t), tf.constant(WEIGHT))
    close(gradient.numpy()[kept], loss.gradient(x[kept], t[kept], WEIGHT[kept]))
    assert np.all(gradient.numpy()[2] == 0.0)
    assert np.all(np.isfinite(tf_hessian(loss, tf.constant(x), tf.constant(t), tf.constant(WEIGHT))))
