"""`amiss.jax`: functions in the manner of optax, under every transformation of JAX."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import losses_under_test as drawn
import numpy as np
import optax
import pytest
from adapters import jax_devices
from losses_under_test import close

import amiss
import amiss.jax

RNG = np.random.default_rng(0)
X, Y = (jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32) for _ in range(2))
INDEX = jnp.array([0, 2, 1, 1, 2, 0])
ROWS = jax.nn.softmax(Y)
SIGNS, LABELS = jnp.sign(Y), (Y > 0).astype(jnp.float32)
WEIGHT = jnp.array([1.0, 2.0, 0.0, 1.0, 0.5, 3.0])

SAME = {
    "squared_error": (X, Y),
    "l2_loss": (X, Y),
    "huber_loss": (X, Y),
    "log_cosh": (X, Y),
    "hinge_loss": (X, SIGNS),
    "perceptron_loss": (X, SIGNS),
    "cosine_distance": (X, Y),
    "kl_divergence": (jax.nn.log_softmax(X), ROWS),
    "sigmoid_binary_cross_entropy": (X, LABELS),
    "sigmoid_focal_loss": (X, LABELS),
    "softmax_cross_entropy": (X, ROWS),
    "softmax_cross_entropy_with_integer_labels": (X, INDEX),
}
"""Functions of optax, and arrays of which both libraries give the same."""


def of_the_catalogue():
    """Return each loss with the function that is called like it, and float32 inputs."""
    for loss in drawn.variants():
        name = (
            "kl_divergence" if type(loss) is amiss.KLDivergence else amiss.naming._snake(type(loss).__name__)
        )
        yield loss, getattr(amiss.jax, name)


CATALOGUE = list(of_the_catalogue())


# --- what there is ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("loss", "function"), CATALOGUE, ids=lambda case: getattr(case, "__name__", None))
def test_a_function_gives_the_value_of_each_item(loss, function):
    prediction, target = (x.astype(np.float32) for x in drawn.draw(loss))
    parameters = {name: getattr(loss, name) for name in loss.parameters()}
    found = jax.jit(lambda p, t: function(p, t, **parameters))(prediction, target)
    reduction = "mean" if drawn.is_batch(loss) else "none"
    close(found, loss(prediction, target, reduction=reduction), scale=jnp.ones(()))


def test_every_function_of_optax_that_a_loss_corresponds_to_is_tested():
    aliases = [alias for loss in drawn.classes() for alias in loss.aliases] + list(amiss.naming.SCALED)
    assert {alias.rpartition(".")[2] for alias in aliases if alias.startswith("optax.")} == set(SAME)
    assert set(SAME) < set(amiss.jax.__all__)


@pytest.mark.parametrize("name", SAME)
def test_a_name_of_optax_gives_the_values_of_optax(name):
    close(getattr(amiss.jax, name)(*SAME[name]), getattr(optax.losses, name)(*SAME[name]), scale=jnp.ones(()))


@pytest.mark.parametrize("name", SAME)
def test_a_name_of_optax_has_the_arguments_of_optax(name):
    ours, theirs = (list(inspect.signature(getattr(x, name)).parameters) for x in (amiss.jax, optax.losses))
    assert ours[:2] == theirs[:2]
    arrays = dict(zip(theirs, SAME[name], strict=False))
    close(getattr(amiss.jax, name)(**arrays), getattr(amiss.jax, name)(*SAME[name]))


def test_parameters_come_by_name_or_place():
    close(amiss.jax.huber(X, Y, delta=0.3), optax.huber_loss(X, Y, delta=0.3))
    close(amiss.jax.huber(X, Y, 0.3), amiss.jax.huber(X, Y, delta=0.3))
    weighted = amiss.CrossEntropy(class_weight=(1.0, 2.0, 3.0))(X, INDEX, reduction="none")
    close(amiss.jax.cross_entropy(X, INDEX, class_weight=[1.0, 2.0, 3.0]), weighted)


def test_lists_and_numpy_arrays_are_taken():
    found = amiss.jax.huber([1.0, 4.0], np.zeros(2), delta=2.0)
    assert isinstance(found, jax.Array)
    close(found, [0.5, 6.0])  # 1 / 2, 2 * (4 - 1)


@pytest.mark.parametrize("name", [name for name in amiss.jax.__all__ if name != "mean"])
def test_a_function_documents_itself(name):
    function = getattr(amiss.jax, name)
    assert (function.__name__, function.__module__) == (name, "amiss.jax")
    assert all(f"{argument}" in function.__doc__ for argument in inspect.signature(function).parameters)


# --- transformations --------------------------------------------------------------------------------------
def test_vmap_gives_items_one_by_one():
    close(jax.vmap(jax.vmap(amiss.jax.huber))(X, Y), amiss.jax.huber(X, Y))
    close(jax.vmap(amiss.jax.cross_entropy)(X, INDEX), amiss.jax.cross_entropy(X, INDEX))


def test_grad_is_the_gradient_of_the_loss():
    found = jax.jit(jax.grad(lambda x: amiss.jax.softmax_cross_entropy(x, ROWS).sum()))(X)
    close(found, amiss.CrossEntropy().gradient(X, ROWS, reduction="sum"))


def test_jvp_is_the_gradient_along_a_direction():
    _, along = jax.jvp(lambda x: amiss.jax.log_cosh(x, Y), (X,), (jnp.ones_like(X),))
    close(along, jnp.tanh(X - Y), scale=jnp.ones(()))


def test_hessian_is_the_whole_hessian_of_a_row():
    p = jax.nn.softmax(X[0])
    found = jax.hessian(amiss.jax.cross_entropy)(X[0], INDEX[0])
    close(found, jnp.diag(p) - jnp.outer(p, p), scale=jnp.ones(()))


def test_scan_adds_up_items():
    total, _ = jax.lax.scan(lambda sum_, pair: (sum_ + amiss.jax.huber(*pair).sum(), None), 0.0, (X, Y))
    close(total, amiss.jax.huber(X, Y).sum())


def test_an_optimiser_of_optax_finds_the_minimum():
    optimiser, target = optax.sgd(0.3), jnp.array([1.0, -2.0])
    gradient = jax.grad(lambda x: amiss.jax.mean("mse", x, target))

    def step(state, _):
        x, memory = state
        change, memory = optimiser.update(gradient(x), memory)
        return (optax.apply_updates(x, change), memory), None

    start = jnp.zeros(2)
    (found, _), _ = jax.jit(lambda: jax.lax.scan(step, (start, optimiser.init(start)), length=60))()
    np.testing.assert_allclose(found, target, rtol=1e-5)


# --- the mean ---------------------------------------------------------------------------------------------
def test_the_mean_of_one_device_is_that_of_the_loss():
    close(amiss.jax.mean("huber", X, Y, WEIGHT), amiss.Huber()(X, Y, WEIGHT))
    assert jnp.isnan(amiss.jax.mean("huber", X, Y, 0 * WEIGHT))
    assert amiss.jax.mean("huber", X, Y, 0 * WEIGHT, empty="zero") == 0.0


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.RootMeanSquaredError(), amiss.Dice()], ids=repr)
@pytest.mark.parametrize(("empty", "expected"), [("nan", np.nan), ("zero", 0.0)])
def test_the_mean_over_nothing_on_all_devices(loss, empty, expected):
    def shard(x, w):
        return amiss.jax.mean(loss, x, jnp.full(x.shape, 1 / 3), w, axis_name="d", empty=empty)

    def of_all(x):
        return jax.vmap(shard, axis_name="d")(x, jnp.zeros((3, 2)))

    predictions = X.reshape(3, 2, 3)
    np.testing.assert_array_equal(of_all(predictions), [expected] * 3)
    np.testing.assert_array_equal(jax.grad(lambda x: of_all(x)[0])(predictions), 0.0)


def test_a_root_of_0_over_devices_has_a_gradient_of_0():
    def of_all(x):
        shard = lambda x: amiss.jax.mean("rmse", x, jax.lax.stop_gradient(x), axis_name="d")  # noqa: E731
        return jax.vmap(shard, axis_name="d")(x)[0]

    value, gradient = jax.value_and_grad(of_all)(X)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_the_mean_over_two_axes_is_that_of_all():
    def shard(x, y, w):
        return amiss.jax.mean("mae", x, y, w, axis_name=("rows", "columns"))

    mapped = jax.vmap(jax.vmap(shard, axis_name="columns"), axis_name="rows")
    close(mapped(X, Y, jnp.stack([WEIGHT] * 3, 1))[0, 0], amiss.AbsoluteError()(X, Y, WEIGHT))


# --- errors -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: amiss.jax.huber(X, Y, detla=2.0), amiss.ParameterError, "Did you mean 'delta'?"),
        (
            lambda: amiss.jax.huber(X),
            amiss.ParameterError,
            "huber: arguments must fit huber(predictions, targets",
        ),
        (lambda: amiss.jax.huber(X, Y, -1.0), amiss.ParameterError, "delta must be in (0, inf); got -1.0"),
        (lambda: jax.jit(amiss.jax.huber)(X, Y, 2.0), amiss.ParameterError, "static_argnames='delta'"),
        (lambda: amiss.jax.huber(X, Y[:, :1]), amiss.ShapeError, "amiss never broadcasts"),
        (lambda: amiss.jax.cross_entropy(X, INDEX + 7), amiss.DomainError, "a class index in 0..2"),
        (lambda: amiss.jax.mean("hubr", X, Y), amiss.ParameterError, "Did you mean 'huber'?"),
        (lambda: amiss.jax.mean("mse", X, Y, empty="x"), amiss.ParameterError, "empty must be one of"),
    ],
)
def test_an_error_says_what_to_do(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert words in str(raised.value)


def test_a_bad_label_in_a_compiled_program_makes_its_item_nan():
    found = jax.jit(amiss.jax.cross_entropy)(X, INDEX.at[1].set(7))
    np.testing.assert_array_equal(jnp.isnan(found), [False, True, False, False, False, False])


@pytest.mark.parametrize("devices", [2, 4])
def test_the_gradient_over_devices_is_that_of_one_device(devices):
    here = Path(jax_devices.__file__)
    done = subprocess.run(
        [sys.executable, here, str(devices)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["CrossEntropy"]) >= 2
    far = {(loss, way): gap for loss, ways in found.items() for way, gap in ways.items() if not gap <= 1e-6}
    assert far == {}


def test_without_jax_the_extra_is_named():
    code = "import sys; sys.modules['jax'] = None; import amiss.jax"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert (
        'BackendError: amiss.jax: JAX must be installed; it is not. pip install "amiss[jax]"' in done.stderr
    )
