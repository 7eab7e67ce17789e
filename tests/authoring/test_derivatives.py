"""The derivative of a recorded formula is the derivative."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from losses_under_test import draw, elementwise, name, variants

import amiss
from amiss.arrays import namespace_of
from amiss.authoring.derivatives import RULES, derivative
from amiss.authoring.expressions import FUNCTIONS
from amiss.authoring.recording import Program, Recorder, nodes_of

XP = namespace_of(np.float64(0.0))
ROUNDED = {"Linex", "BinaryFocal"}
"""Losses whose formula puts back what rounding took, with operations that have no derivative."""

FORMULAS = {  # of a positive x and of y, with what JAX is to say
    "x**3 - 2*x**-2 + x**0.5": lambda x, y: x**3 - 2 * x**-2 + jnp.sqrt(x),
    "x**1.7 * y": lambda x, y: x**1.7 * y,
    "2**x": lambda x, y: 2.0**x,
    "x**x": lambda x, y: x**x,
    "abs(x - y) * sign(y)": lambda x, y: jnp.abs(x - y) * jnp.sign(y),
    "exp(-x*y) + expm1(x)": lambda x, y: jnp.exp(-x * y) + jnp.expm1(x),
    "log(x) / (1 + x) + log1p(x*x)": lambda x, y: jnp.log(x) / (1 + x) + jnp.log1p(x * x),
    "log2(x) + log10(x)": lambda x, y: jnp.log2(x) + jnp.log10(x),
    "sqrt(x*x + 4)": lambda x, y: jnp.sqrt(x * x + 4),
    "tanh(x - y)": lambda x, y: jnp.tanh(x - y),
    "cosh(x) + sinh(x/2)": lambda x, y: jnp.cosh(x) + jnp.sinh(x / 2),
    "log(cosh(x - y))": lambda x, y: jnp.log(jnp.cosh(x - y)),
    "relu(x - y)**2": lambda x, y: jax.nn.relu(x - y) ** 2,
    "softplus(y*x) * log_sigmoid(x)": lambda x, y: jax.nn.softplus(y * x) * jax.nn.log_sigmoid(x),
    "log(1 + exp(-x))": lambda x, y: jax.nn.softplus(-x),
    "1/(1 + exp(-x)) + (1 - sigmoid(2*x))": lambda x, y: jax.nn.sigmoid(x) + jax.nn.sigmoid(-2 * x),
    "maximum(x, y*y) * minimum(x, 2)": lambda x, y: jnp.maximum(x, y * y) * jnp.minimum(x, 2),
    "clip(x - y, -0.5, 0.5)": lambda x, y: jnp.clip(x - y, -0.5, 0.5),
    "x**2 if x > 1 else y*x": lambda x, y: jnp.where(x > 1, x**2, y * x),
    "where((x > 0.5) & (y > 0), x, x*x)": lambda x, y: jnp.where((x > 0.5) & (y > 0), x, x * x),
    "xlogy(x, x) + y*log(x) + log(1 - x/10)": lambda x, y: (
        x * jnp.log(x) + y * jnp.log(x) + jnp.log1p(-x / 10)
    ),
    "divide(power(x, 2), add(x, 1))": lambda x, y: x**2 / (x + 1),
}


@pytest.mark.parametrize("text", FORMULAS)
def test_first_and_second_derivatives_are_those_of_jax(text):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.1, 3.0, 40), rng.normal(size=40)
    loss = amiss.define(_named(text))
    with jax.enable_x64(True):
        oracle = FORMULAS[text]
        for quantity, function in (("gradient", jax.grad(oracle)), ("hessian", jax.grad(jax.grad(oracle)))):
            expected = np.asarray(jax.vmap(function)(jnp.array(x), jnp.array(y)))
            found = getattr(loss, quantity)(x, y, reduction="sum")
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def _named(text):
    """Return a formula in x and y as one in prediction and target; it uses y even where it does not."""
    renamed = re.sub(r"\bx\b", "prediction", re.sub(r"\by\b", "target", text))
    return renamed if "target" in renamed else f"{renamed} + target"


@pytest.mark.parametrize(
    "loss", [x for x in elementwise(variants()) if type(x).__name__ not in ROUNDED], ids=name
)
def test_derived_is_what_the_catalogue_writes_out(loss):
    xp = Recorder()
    prediction, target = xp.input("prediction"), xp.input("target")
    value = loss._value(xp, prediction, target)
    gradient = derivative(value, prediction)
    hessian = derivative(gradient, prediction)
    p, y = draw(loss, items=(200,), seed=3)
    p, y = np.asarray(p, float), np.asarray(y, float)
    for quantity, graph in (("gradient", gradient), ("hessian", hessian)):
        with np.errstate(all="ignore"):
            found = Program.of(graph)(XP, prediction=p, target=y) + 0.0 * p
            expected = getattr(loss, f"_{quantity}")(XP, p, y)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=quantity)


def test_every_function_of_the_language_has_a_rule():
    xp = Recorder()
    x, y, z = (xp.input(letter) for letter in "xyz")
    for word, (count, function) in FUNCTIONS.items():
        result = function(xp, *((x > y, y, z) if word == "where" else (x, y, z)[:count]))
        missing = {node.operation for node in nodes_of(result)} - {*RULES, "input", "gt"}
        assert not missing, word


def test_a_wrong_rule_is_seen(monkeypatch):
    monkeypatch.setitem(RULES, "tanh", lambda x, dx, xp: 2.0 * xp.sech_squared(x) * dx)
    loss = amiss.define("tanh(prediction - target) + 0.125")
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(loss.gradient([0.3], [0.0]), [1 - np.tanh(0.3) ** 2], rtol=1e-12)


def test_at_a_kink_the_slope_is_the_mean_of_both():
    assert amiss.define("abs(prediction - target)").gradient([2.0], [2.0]) == 0.0
    assert amiss.define("maximum(prediction, target)").gradient([2.0], [2.0]) == 0.5
    assert amiss.define("relu(prediction - target)").gradient([2.0], [2.0]) == 0.0


def test_a_function_without_a_rule_is_named():
    @amiss.define
    class Odd:
        def value(self, xp, prediction, target):
            return xp.sigmoid_power(prediction - target, 2.0)

    with pytest.raises(amiss.ParameterError, match="must be made of functions whose derivative is known"):
        Odd().gradient([1.0], [0.0])
