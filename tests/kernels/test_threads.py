"""Threads change the time of a result, and not a bit of it; a forked child and other threads work too."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import amiss
from amiss import kernels

COUNTS = (1, 2, 3, 4, 7, 8, 16)


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(0)
    z = generator.normal(scale=5.0, size=100_003)
    return z, (generator.random(z.size) < 0.5).astype(float), generator.random(z.size)


def results(inputs):
    z, y, w = inputs
    rows, labels = z[:99_990].reshape(-1, 30), (np.arange(3333) % 30)
    found = [
        *amiss.BinaryCrossEntropy().value_and_gradient(z, y, w),
        *amiss.Huber().gradient_and_hessian(z, y),
        amiss.SquaredError()(z.astype(np.float32), y.astype(np.float32), reduction="sum"),
        *amiss.CrossEntropy().value_and_gradient(rows, labels),
    ]
    return b"".join(np.asarray(result).tobytes() for result in found)


@pytest.mark.parametrize("count", COUNTS)
def test_any_number_of_threads_gives_the_same_bits(inputs, count):
    with kernels.threads(1):
        expected = results(inputs)
    with kernels.threads(count):
        assert results(inputs) == expected


def test_repeats_give_the_same_bits():
    z = np.random.default_rng(1).normal(size=20_000)
    loss, first = amiss.BinaryCrossEntropy(), None
    with kernels.threads(4):
        for _ in range(1000):
            value = loss(z, (z > 0).astype(float)).tobytes()
            first = first or value
            assert value == first


FORK = """
import os, numpy as np, amiss
from amiss import kernels
z = np.random.default_rng(0).normal(size=200_000)
y = (z > 0).astype(float)
with kernels.threads(4):
    expected = amiss.BinaryCrossEntropy().gradient(z, y).tobytes()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if amiss.BinaryCrossEntropy().gradient(z, y).tobytes() == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_forked_child_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_python_threads_at_once_give_the_same_bits(inputs):
    with kernels.threads(2):
        expected = results(inputs)
        found = []
        workers = [threading.Thread(target=lambda: found.append(results(inputs))) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert found == [expected] * 8


def test_bad_count_is_refused():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        kernels.threads(0)
