"""The network as an object: construction, weights, prediction, summary, copies, and its size on paper."""

import ast
import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

import amiss
import amiss.network as package
from amiss.core.errors import DTypeError, ParameterError, ShapeError
from amiss.kernels.products import shared_products
from amiss.network import Dense, Network
from amiss.network.layers import ACTIVATIONS

LAYERS = [Dense(4, 8, "relu"), Dense(8, 3, bias=False)]


def test_first_weights_have_the_variance_of_he_and_glorot():
    for activation in ACTIVATIONS:
        weight, bias = Network([Dense(300, 200, activation)], seed=0, dtype="float64").weights
        variance = 2 / 300 if activation == "relu" else 2 / 500
        assert weight.var() == pytest.approx(variance, rel=0.02)
        assert abs(weight.mean()) < 1e-3
        assert np.abs(weight).max() <= (3 * variance) ** 0.5
        assert not bias.any()


def test_both_precisions_begin_with_the_same_numbers():
    single, double = Network(LAYERS, seed=0), Network(LAYERS, seed=0, dtype="float64")
    np.testing.assert_array_equal(single.parameters, double.parameters.astype("float32"))


def test_weights_are_copies_and_can_be_set():
    network = Network(LAYERS, seed=0)
    weights = network.weights
    assert [weight.shape for weight in weights] == [(4, 8), (8,), (8, 3)]
    before = network.predict(np.ones((1, 4)))
    weights[0][:] = 5
    np.testing.assert_array_equal(network.predict(np.ones((1, 4))), before)
    network.weights = weights
    weights[1][:] = 9
    assert (network.weights[0] == 5).all()
    assert not network.weights[1].any()


def test_setting_weights_changes_all_or_nothing():
    network = Network(LAYERS, seed=0)
    before = network.parameters.copy()
    for wrong in (
        network.weights[:2],
        [*network.weights, np.ones(1)],
        [np.ones((4, 8)), np.ones(8), np.ones((3, 8))],
    ):
        with pytest.raises(
            ShapeError, match=r"Network: weights must have the shapes \[\(4, 8\), \(8,\), \(8, 3\)\]"
        ):
            network.weights = wrong
    np.testing.assert_array_equal(network.parameters, before)


def test_layers_can_be_shared_between_networks():
    one, other = Network(LAYERS, seed=0), Network(LAYERS, seed=1)
    before = other.predict(np.ones((1, 4)))
    one.fit(np.ones((5, 4)), np.zeros(5, int), loss=amiss.CrossEntropy())
    np.testing.assert_array_equal(other.predict(np.ones((1, 4))), before)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_learns_by_itself(duplicate):
    network = Network(LAYERS, seed=0)
    twin = duplicate(network)
    before = network.predict(np.ones((1, 4)))
    twin.fit(np.ones((5, 4)), np.zeros(5, int), loss=amiss.CrossEntropy())
    np.testing.assert_array_equal(network.predict(np.ones((1, 4))), before)
    assert (twin.predict(np.ones((1, 4))) != before).any()


@pytest.mark.parametrize("rows", [0, 1, 4096, 4097])
def test_prediction_in_parts_is_prediction(rows):
    network = Network(LAYERS, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(rows, 4))
    assert network.predict(x).shape == (rows, 3)
    assert network.predict_classes(x).shape == (rows,)
    np.testing.assert_allclose(network.predict(x), network.forward(x)[-1], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("own", ["float32", "float64"])
def test_prediction_has_the_dtype_of_the_network(dtype, own):
    network, x = Network(LAYERS, seed=0, dtype=own), np.ones((2, 4), dtype)
    assert network.predict(x).dtype == own
    np.testing.assert_array_equal(network.predict(x), network.predict(np.ones((2, 4))))


def test_columns_need_not_be_contiguous():
    x = np.random.default_rng(0).normal(size=(8, 10)).astype("float32")
    network = Network(LAYERS, seed=0)
    for view in (x[:, :4], x[::-2, 1:9:2], np.asfortranarray(x)[:, 2:6]):
        np.testing.assert_allclose(
            network.predict(view), network.predict(view.copy("C")), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(0, 1), ParameterError, "Dense: inputs must be an integer of 1 or more; got 0."),
        (lambda: Dense(2, "3"), ParameterError, "Dense: outputs must be an integer of 1 or more; got '3'."),
        (
            lambda: Dense(2, 3, "rleu"),
            ParameterError,
            "Dense: activation must be one of identity, relu, sigmoid, tanh, softmax; got 'rleu'. "
            "Did you mean 'relu'?",
        ),
        (
            lambda: Dense(2, 3, None),
            ParameterError,
            "Dense: activation must be one of identity, relu, sigmoid, tanh, softmax; got None.",
        ),
        (lambda: Dense(2, 3, "relu", 1), ParameterError, "Dense: bias must be True or False; got 1."),
        (lambda: Network([]), ParameterError, "Network: layers must be one Dense or more; got ()."),
        (
            lambda: Network(LAYERS, seed=-1),
            ParameterError,
            "Network: seed must be None or an integer of 0 or more; got -1.",
        ),
        (
            lambda: Network(LAYERS, seed=1.5),
            ParameterError,
            "Network: seed must be None or an integer of 0 or more; got 1.5.",
        ),
        (
            lambda: Network(LAYERS, dtype="float16"),
            ParameterError,
            "Network: dtype must be 'float32' or 'float64'; got 'float16'.",
        ),
        (
            lambda: Network([Dense(2, 3), Dense(4, 1)]),
            ShapeError,
            "Network: layers must fit together; got "
            "Dense(inputs=2, outputs=3, activation='identity', bias=True) below "
            "Dense(inputs=4, outputs=1, activation='identity', bias=True). Give the upper one 3 inputs.",
        ),
        (
            lambda: Network(LAYERS).predict(np.zeros((2, 5))),
            ShapeError,
            "Network: x must have shape (items, 4); got (2, 5). "
            "Images, for example, are flattened by x.reshape(len(x), -1).",
        ),
        (
            lambda: Network(LAYERS).predict([["a", "b", "c", "d"]]),
            DTypeError,
            "Network: x must hold real numbers; got <U1. Convert it with x.astype(float).",
        ),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_repr_can_be_evaluated():
    network = Network(LAYERS, seed=3, dtype="float64")
    again = eval(repr(network))
    np.testing.assert_array_equal(again.parameters, network.parameters)


def test_summary_fits_60_columns_and_adds_up():
    text = Network([Dense(784, 1280, "relu"), Dense(1280, 1000, "softmax")]).summary()
    assert max(len(line) for line in text.splitlines()) <= 60
    assert text.splitlines()[-1].split()[-1] == f"{785 * 1280 + 1281 * 1000:,}"


def test_blas_takes_one_thread_and_the_limit_ends_with_the_run():
    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    class Spy:
        def value_and_gradient(self, prediction, target):
            seen.append(threads())
            return 1.0, np.zeros_like(prediction)

    with shared_products():  # loads what has threads
        pass
    seen, before = [], threads()
    Network([Dense(4, 10)], seed=0).fit(np.zeros((1, 4)), np.zeros(1), loss=Spy())
    assert seen == [[1] * len(before)]
    assert threads() == before


def test_importing_takes_no_framework():
    heavy = {"torch", "jax", "tensorflow", "rich", "matplotlib"}
    program = f"import amiss.network, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_is_under_500_lines_of_code():
    """Neither blank lines, comments nor docstrings count."""
    total = 0
    for path in Path(package.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        code = {
            n
            for n, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.strip().startswith("#")
        }
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        total += len(code)
    assert total < 500


def test_the_loss_enters_in_one_line():
    """A loss is asked for its gradient in one place, and for its value on validation data in one other."""
    sources = [path.read_text(encoding="utf-8") for path in Path(package.__file__).parent.glob("*.py")]
    calls = [
        ast.unparse(node.func)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] == "loss"
    ]
    assert sorted(calls) == ["loss", "loss.value_and_gradient"]
