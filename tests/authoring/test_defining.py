"""A loss that is defined by an expression or a small class is a loss like those of the catalogue."""

import copy
import dataclasses
import json
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

import amiss
from amiss.authoring.defining import read_loss
from amiss.network import SGD, Dense, Network

TEXT = "sqrt((prediction - target)**2 + eps**2) - eps"


@pytest.fixture
def charbonnier():
    return amiss.define(TEXT, eps=3.0)


@amiss.define
class Quartic:
    """The fourth power of the error, times a factor."""

    factor: float = 2.0

    def value(self, xp, prediction, target):
        return self.factor * (prediction - target) ** 4


def test_value_gradient_and_hessian_by_hand(charbonnier):
    assert float(charbonnier([4.0], [0.0])) == 2.0  # sqrt(16 + 9) - 3
    assert charbonnier.gradient([4.0], [0.0]) == pytest.approx(0.8)  # 4 / 5
    assert charbonnier.hessian([4.0], [0.0]) == pytest.approx(9 / 125)  # 3² / 5³


def test_it_is_a_value(charbonnier):
    again = amiss.define(TEXT, eps=3.0)
    assert charbonnier == again
    assert hash(charbonnier) == hash(again)
    assert charbonnier != amiss.define(TEXT, eps=2.0)
    assert dataclasses.replace(charbonnier, eps=2.0) == amiss.define(TEXT, eps=2.0)
    for copied in (
        pickle.loads(pickle.dumps(charbonnier)),
        copy.deepcopy(charbonnier),
        copy.copy(charbonnier),
    ):
        assert copied == charbonnier
    assert eval(repr(charbonnier), {"define": amiss.define}) == charbonnier
    assert charbonnier in {again}


def test_a_pickle_opens_in_a_new_process(charbonnier):
    code = "import pickle, sys; print(float(pickle.load(sys.stdin.buffer)([4.0], [0.0])))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(charbonnier), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"2.0"


def test_the_text_of_a_loss_is_read_again(charbonnier):
    assert read_loss(str(charbonnier)) == charbonnier
    assert read_loss(repr(charbonnier)) == charbonnier
    signs = amiss.define("log(1 + exp(-prediction*target))", target="sign")
    assert read_loss(str(signs)) == signs


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_it_differentiates_in_every_library(library, charbonnier):
    p, y = np.array([4.0, -1.0]), np.array([0.0, 2.0])
    expected = charbonnier.gradient(p, y)
    if library == "torch":
        x = torch.tensor(p, requires_grad=True)
        charbonnier(x, torch.tensor(y)).backward()
        found = x.grad.numpy()
    elif library == "jax":
        with jax.enable_x64(True):
            found = np.asarray(jax.jit(jax.grad(lambda x: charbonnier(x, jnp.array(y))))(jnp.array(p)))
    else:
        x = tf.Variable(p)
        with tf.GradientTape() as tape:
            value = charbonnier(x, tf.constant(y))
        found = tape.gradient(value, x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not:DeprecationWarning")
def test_it_compiles_with_torch(charbonnier):
    step = torch.compile(charbonnier.__call__, fullgraph=True, backend="eager")
    assert float(step(torch.tensor([4.0]), torch.tensor([0.0]))) == 2.0


def test_it_trains_a_network():
    network = Network([Dense(1, 1, bias=False)], seed=0)
    loss = amiss.define("log(cosh(prediction - target))")
    history = network.fit([[1.0], [2.0]], [[3.0], [6.0]], loss=loss, optimizer=SGD(0.2), epochs=200)
    assert history["loss"][-1] < 1e-6
    assert network.weights[0][0, 0] == pytest.approx(3.0, abs=1e-3)


def test_it_is_compared(tmp_path):
    runs = {"data": "diabetes", "epochs": 2, "repeats": 1}
    compared = amiss.compare(["(prediction - target)**2 * k, k=1", "mse"], **runs)
    assert [run.status for run in compared.runs] == ["finished"] * 2
    assert compared.runs[0].metrics == pytest.approx(compared.runs[1].metrics, rel=1e-4)
    compared.save(tmp_path)
    losses = json.loads((tmp_path / "results.json").read_text())["settings"]["losses"]
    assert losses[0] == "(prediction - target)**2 * k, k=1.0"
    assert amiss.compare(resume=tmp_path).runs[0].loss == losses[0]


def test_signs_are_what_a_loss_of_signs_is_given():
    from amiss.comparison.setups import enter

    entrant = enter("log(1 + exp(-prediction*target)), target='sign'", "classification")
    assert (entrant.output, entrant.target) == ("identity", "signs")
    assert enter(TEXT + ", eps=1", "classification").target == "one-hot"


def test_its_formula_is_printed_in_short(charbonnier):
    assert charbonnier.latex("gradient").count("hat{y}") == 2
    assert amiss.define("abs(prediction - target)**p", p=1.5).latex() == r"\left|{y - \hat{y}}\right|^{p}"


def test_tails_keep_their_digits():
    loss = amiss.define("log(1 + exp(-prediction*target))", target="sign")
    assert loss([40.0], [1.0]) == pytest.approx(np.exp(-40.0), rel=1e-12)
    assert loss([-800.0], [1.0]) == 800.0
    assert amiss.define("log(cosh(prediction - target))")([1e-9], [0.0]) == pytest.approx(5e-19, rel=1e-12)
    entropy = amiss.define("-target*log(prediction) - (1-target)*log(1-prediction)", prediction="probability")
    assert entropy([1.0, 0.0], [1.0, 0.0]) == 0.0


def test_nan_stays_visible():
    for text in ("relu(prediction - target)", "prediction - target", "maximum(prediction, target)", TEXT):
        loss = amiss.define(text, **({"eps": 1.0} if "eps" in text else {}))
        assert np.isnan(loss([np.nan], [0.0])), text
        assert np.isnan(loss.gradient([np.nan], [0.0])).all(), text


def test_domains_are_checked():
    loss = amiss.define("-target*log(prediction)", prediction="probability", target="probability")
    with pytest.raises(amiss.DomainError, match=r"prediction must be in \[0, 1\]"):
        loss([1.5], [1.0])


def test_a_class_is_a_loss():
    assert repr(Quartic()) == "Quartic(factor=2.0)"
    assert float(Quartic()([2.0], [1.0])) == 2.0
    assert Quartic(1.0).gradient([3.0], [1.0]) == 32.0  # 4 * 2³
    assert pickle.loads(pickle.dumps(Quartic(3.0))) == Quartic(3.0)
    assert Quartic.__doc__ == "The fourth power of the error, times a factor."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "must call known functions; got "),
        ("prediction.__class__ - target", "got 'prediction.__class__'"),
        ("(lambda: prediction - target)()", "must call known functions"),
        ("[prediction for x in target]", "must be made of numbers, names"),
        ("prediction", "must use target"),
        ("target + 1", "must use prediction"),
        ("prediction - target + q", r"got 'q'.*q=1\.0"),
        ("sqtr(prediction - target)", "Did you mean 'sqrt'"),
        ("log(prediction, target)", "must give log 1 argument by place; got 2"),
        ("prediction - target; x = 1", "must be one formula"),
        ("x = prediction - target", "must be one formula"),
        ("prediction +* target", "must be written as Python is"),
        ("", "must be one formula"),
        ("9**9**9 * prediction - target", r"must have finite numbers; got '9 \*\* 9 \*\* 9', which is inf"),
        ("1" + "0" * 400 + "*prediction - target", "finite numbers"),
        ("True*prediction - target", "must have real numbers as constants; got 'True'"),
        ("1j*prediction - target", "must have real numbers as constants"),
        ("'a'*prediction - target", "must have real numbers as constants; got 'a'"),
        ("(" * 300 + "prediction-target" + ")" * 300, "must be written as Python is"),
        ("-" * 500 + "prediction - target", "levels of brackets at most"),
        ("prediction - target" + " + 1" * 10_000, "characters at most"),
        ("prediction - target" + " + 1" * 400, "levels of brackets at most"),
        ("prediction\x00 - target", "must be"),
    ],
)
def test_hostile_or_wrong_text_is_a_clear_error(text, message):
    with pytest.raises(amiss.ParameterError, match=message):
        amiss.define(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eps": "3"}, "eps must be a finite number; got '3'"),
        ({"eps": float("nan")}, "eps must be a finite number; got nan"),
        ({"eps": True}, "eps must be a finite number"),
        ({"eps": 1.0, "k": 2.0}, "must use k"),
        ({"eps": 1.0, "prediction": "probabilty"}, "prediction must be one of .*Did you mean 'probability'"),
        ({}, "got 'eps'"),
    ],
)
def test_wrong_parameters_are_a_clear_error(given, message):
    with pytest.raises(amiss.ParameterError, match=message):
        amiss.define(TEXT, **given)


def test_a_name_that_every_loss_has_is_refused():
    with pytest.raises(amiss.ParameterError, match="must have a name of its own; got 'total'"):
        amiss.define("total*(prediction - target)**2", total=1.0)


def test_a_class_without_a_value_or_a_default_is_refused():
    with pytest.raises(amiss.ParameterError, match="must have a method value"):
        amiss.define(type("Nothing", (), {}))
    with pytest.raises(amiss.ParameterError, match="must have a number as its default"):
        amiss.define(
            type("Open", (), {"__annotations__": {"k": float}, "value": lambda self, xp, p, t: p - t})
        )


def test_it_is_traced_and_drawn(charbonnier):
    from amiss.plot import draw_losses

    network = Network([Dense(2, 3, "tanh"), Dense(3, 1)], seed=0, dtype="float64")
    rng = np.random.default_rng(0)
    trace = amiss.trace(network, charbonnier, rng.normal(size=(5, 2)), rng.normal(size=(5, 1)))
    assert trace.passed
    value, gradient = draw_losses(charbonnier, span=(-4.0, 4.0))
    assert max(value.lines[0].get_ydata()) == pytest.approx(2.0)
    assert max(gradient.lines[0].get_ydata()) == pytest.approx(0.8)
