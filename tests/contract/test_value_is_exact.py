"""Value, gradient and Hessian are exact to a few units in the last place (ULP), tails included.

The truth is the same formula in its textbook form with numbers of 400 digits. What is measured stands in
docs/exactness.md; after a change of a formula it is written again with

    python -m pytest tests/contract/test_value_is_exact.py -n 0 --write-exactness
"""

import itertools

import exactness
import jax
import numpy as np
import pytest
from exact import QUANTITIES, apply, exact, pairs
from exactness import (
    DTYPES,
    has_driver,
    instances,
    is_normal,
    keys,
    least_normal,
    portable,
    public,
    read_page,
    rounded_up,
    worst_of_all,
    write_page,
)
from losses_under_test import array, elementwise, name, numbers, rows, variants

from amiss.arrays import namespace_of
from amiss.core import ElementwiseLoss

CLAIMS = {"kernel": 4.0, "kernel of rows": 8.0, "portable": 8.0}
"""ULP of value, gradient and Hessian in either precision, for every loss."""

LOG1P = 130.0
FAULTS_OF_PEERS = {("float64", "BinaryCrossEntropy probabilities", "value", "JAX"): LOG1P}
"""XLA's log1p of a double in (-0.42, -0.34) is wrong by up to 129 ULP, 1.4e-14."""

OF_OTHERS = 0.5
"""How much larger than on the page an error of a library's own functions may be: processors differ."""


def claim(dtype, key, quantity, path):
    """Return how large an error may be."""
    kind = "portable"
    if path == "kernel":
        kind = "kernel" if isinstance(instances(key)[0], ElementwiseLoss) else "kernel of rows"
    return FAULTS_OF_PEERS.get((dtype, key, quantity, path), CLAIMS[kind])


@pytest.fixture(scope="module")
def page(request):
    """Return the errors of docs/exactness.md, and where to put those that are measured."""
    committed, measured = read_page(), {}
    writes = request.config.getoption("write_exactness")
    if writes and hasattr(request.config, "workerinput"):
        pytest.fail("--write-exactness needs all errors in one process: add -n 0")
    yield {} if writes else committed, measured
    if writes:
        write_page(committed | measured, LOG1P)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", keys())
def test_errors_are_within_the_claims_and_no_larger_than_on_the_page(key, dtype, page):
    committed, measured = page
    broken = []
    for (quantity, path), worst in worst_of_all(key, dtype).items():
        at = dtype.__name__, key, quantity, path
        measured[at] = rounded_up(worst.ulps)
        written = committed.get(at, np.inf) + (0.0 if path == "kernel" else OF_OTHERS)
        for bound, kind in ((claim(*at), "claimed"), (written, "written")):
            if not worst.ulps <= bound:
                broken.append(f"{quantity} on {path}: {worst.ulps:.2f} ULP, {bound} {kind}, at {worst.where}")
    assert not broken, "\n".join(broken)


def test_the_page_names_no_loss_that_is_not_there():
    assert {key for _, key, _, _ in read_page()} <= set(keys())


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("loss", [*elementwise(variants()), *rows(variants())], ids=name)
def test_the_public_interface_gives_the_bits_that_are_measured(loss, library):
    prediction, target, certain = pairs(loss, np.float64)
    prediction, target = (np.resize(x[certain], (512, *x.shape[1:])) for x in (prediction, target))
    for quantity in QUANTITIES:
        driven = has_driver(loss) and quantity != "hessian"
        if library == "torch" and (driven or isinstance(loss, ElementwiseLoss)):  # the kernel serves both
            expected = public(loss, quantity, prediction, target)
        else:
            expected = portable(library, loss, quantity, prediction, target)
        found = public(loss, quantity, array(library, prediction), array(library, target))
        np.testing.assert_array_equal(numbers(found), expected)
        if library == "torch" and driven:
            index = target.argmax(-1)
            found = public(loss, quantity, array(library, prediction), array(library, index))
            np.testing.assert_array_equal(numbers(found), public(loss, quantity, prediction, index))


@pytest.mark.parametrize("loss", [*elementwise(variants()), *rows(variants())], ids=name)
def test_a_program_compiled_by_xla_keeps_the_claims(loss):
    prediction, target, _ = pairs(loss, np.float32)
    kept, floor = is_normal(loss, prediction), least_normal(loss, np.float32)

    def everything(x, t):
        return [apply(loss, quantity, namespace_of(x), x, t) for quantity in QUANTITIES]

    found = jax.jit(everything)(array("jax", prediction), array("jax", target))
    for quantity, computed in zip(QUANTITIES, found, strict=True):
        errors = exact(loss, quantity, prediction, target)[kept].errors(np.asarray(computed)[kept], floor)
        worst = np.unravel_index(errors.argmax(), errors.shape)[0]
        assert errors.max() <= CLAIMS["portable"], (quantity, prediction[kept][worst], target[kept][worst])


def test_the_page_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(exactness, "PAGE", tmp_path / "page.md")
    errors = {
        (dtype.__name__, key, quantity, path): ulps
        for dtype, key, quantity in itertools.product(DTYPES, keys(), QUANTITIES)
        for path, ulps in (("kernel", 1.5), ("JAX", np.inf))
    }
    write_page(errors, LOG1P)
    assert read_page() == errors


# --- the measure itself --------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", [*elementwise(variants()), *rows(variants())], ids=name)
def test_400_digits_are_enough_for_the_truth(loss):
    inputs = [x[::5] for x in pairs(loss, np.float64)[:2]]
    for quantity in QUANTITIES:
        truth, finer = (exact(loss, quantity, *inputs, digits=digits) for digits in (400, 1000))
        np.testing.assert_array_equal(truth.nearest, finer.nearest)
        np.testing.assert_allclose(truth.rest, finer.rest, rtol=1e-12, atol=1e-12)


def test_a_formula_that_cancels_is_found():
    from amiss import BinaryCrossEntropy

    class Naive(BinaryCrossEntropy):
        def _gradient(self, xp, prediction, target):
            return xp.sigmoid(prediction) - target

    inputs = np.array([30.0]), np.array([1.0])
    truth = exact(BinaryCrossEntropy(), "gradient", *inputs)
    assert truth.errors(portable("numpy", Naive(), "gradient", *inputs)).max() > 1e6


def test_a_result_that_overflows_early_or_with_the_wrong_sign_is_found():
    from amiss import SquaredError

    large = np.array([2.0**500, 1e200])
    truth = exact(SquaredError(), "value", large, 0 * large)
    np.testing.assert_array_equal(truth.nearest, [2.0**1000, np.inf])
    np.testing.assert_array_equal(truth.errors(np.array([np.inf, np.inf])), [np.inf, 0.0])
    np.testing.assert_array_equal(truth.errors(np.array([2.0**1000, -np.inf])), [0.0, np.inf])
    assert truth.errors(np.array([np.nan, 1e308])).tolist() == [np.inf, np.inf]
