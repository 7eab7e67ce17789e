"""Matrix products whose pieces the threads share, and rows that they gather together."""

import ctypes
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg

import amiss
from amiss import kernels
from amiss.kernels import products
from amiss.kernels.products import product, shared_products

# Products of fewer than a million multiplications, cut along every axis and along two, and with odd pieces.
SHAPES = [(7, 5, 3), (32, 784, 128), (784, 32, 128), (128, 784, 128), (33, 40_001, 1), (1, 1_100_000, 1)]
SHAPES += [(1000, 17, 999), (600, 600, 600), (300, 3000, 301)]


def draw(m, k, n, dtype):
    rng = np.random.default_rng((m, k, n))
    return rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)


@pytest.fixture
def pieces(monkeypatch):
    """Return a list of whether each product was cut."""
    made, multiply = [], kernels.multiply
    monkeypatch.setattr(kernels, "multiply", lambda *given: made.append(multiply(*given)) or made[-1])
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_product_in_pieces_is_the_product(shape, dtype, pieces):
    a, b = draw(*shape, dtype)
    exact = np.float64(a) @ np.float64(b)
    size = np.abs(np.float64(a)) @ np.abs(np.float64(b))
    with shared_products():
        results = [product(a, b), product(np.asfortranarray(a), b), product(a, np.asfortranarray(b))]
    assert pieces == [np.prod(shape, dtype=float) >= 1e6] * 3
    for result in results:
        assert result.dtype == dtype
        assert (np.abs(result - exact) <= 8 * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_number_of_threads_gives_the_same_bits(shape):
    a, b = draw(*shape, np.float32)
    with shared_products():
        results = []
        for count in (1, 2, 3, 7):
            with amiss.threads(count):
                results.append(product(a, b).tobytes())
    assert len(set(results)) == 1


def test_views_are_read_and_written_where_they_lie(pieces):
    a, b = draw(200, 300, 100, np.float32)
    wide = np.full((200, 150), 7.0, np.float32)
    with shared_products():
        product(a, b, wide[:, 20:120])
        np.testing.assert_array_equal(wide[:, 20:120], product(a, b))
        big = np.zeros((250, 350), np.float32)
        big[10:210, 20:320] = a
        np.testing.assert_array_equal(product(big[10:210, 20:320], b), product(a, b))
        np.testing.assert_array_equal(product(big.T[20:320, 10:210].T, b), product(a, b))
    assert (wide[:, :20] == 7.0).all()
    assert (wide[:, 120:] == 7.0).all()
    assert all(pieces)


def test_what_blas_does_not_take_goes_to_numpy(pieces):
    a, b = draw(200, 300, 100, np.float32)
    right = np.float64(a) @ np.float64(b)
    with shared_products():
        for x, y in (
            (a[:, ::-1], b[::-1]),
            (a.astype("f8"), b),
            (a.astype("f2"), b.astype("f2")),
            (a.repeat(2, 1)[:, ::2], b),
        ):
            np.testing.assert_allclose(product(x, y, np.empty((200, 100))), right, atol=0.5)
        square = np.eye(200, dtype=np.float32)
        product(square, square, square)  # in its own memory
        np.testing.assert_array_equal(square, np.eye(200))
    assert pieces == [False] * 5


def test_nothing_is_shared_outside_the_block(pieces):
    a, b = draw(200, 300, 100, np.float32)
    product(a, b)
    with shared_products(), shared_products():
        product(a, b)
    product(a, b)
    assert pieces == [True]


def test_where_blas_has_other_names_numpy_multiplies(monkeypatch, pieces):
    monkeypatch.setattr(products, "_gemms", lambda: None)
    a, b = draw(200, 300, 100, np.float32)
    with shared_products():
        np.testing.assert_array_equal(product(a, b), a @ b)
    assert not pieces
    assert products.gemms_in(SimpleNamespace()) is None


def test_a_blas_that_counts_in_32_bits_multiplies_too(monkeypatch, pieces):
    found = products.gemms_in(ctypes.CDLL(scipy.linalg._fblas.__file__))
    assert found[2] is False
    monkeypatch.setattr(products, "_gemms", lambda: found)
    a, b = draw(200, 300, 100, np.float64)
    with shared_products():
        np.testing.assert_allclose(product(a, b), a @ b, rtol=0, atol=1e-11)
        np.testing.assert_allclose(product(b.T, a.T), b.T @ a.T, rtol=0, atol=1e-11)
    assert pieces == [True, True]


def test_several_python_threads_multiply_at_once():
    a, b = draw(128, 784, 128, np.float32)
    found, right = [], None
    with shared_products():
        right = product(a, b)
        threads = [
            threading.Thread(target=lambda: found.extend(product(a, b) for _ in range(50))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 200
    assert all((result == right).all() for result in found)


@pytest.mark.parametrize("awake", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("width", [1, 15, 17, 784, 5000])
def test_rows_are_gathered_whoever_does_it(width, kind, awake):
    rng = np.random.default_rng(0)
    x, rows = rng.integers(0, 255, (50, width)).astype(kind), rng.integers(0, 50, 33)
    with kernels.awake() if awake else nullcontext(), amiss.threads(3):
        found = kernels.gather(x, rows, 0.5, np.float32)
    np.testing.assert_array_equal(found, np.float32(0.5) * x[rows].astype(np.float32))
