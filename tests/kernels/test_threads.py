"""Threads change the time of a result, and not a bit of it; a forked child and other threads work too."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from losses_under_test import draw, elementwise, integers, name, rows, variants

import amiss
from amiss import kernels

COUNTS = (1, 2, 3, 4, 7, 8, 16)


def has_driver(loss):
    return getattr(loss, "_softmax_options", None) is not None


COMPILED = [*elementwise(variants()), *filter(has_driver, rows(variants()))]
"""The losses that have a kernel: of numbers, and of rows of logits with class indices."""


def inputs(loss, items=40_009):
    """Return predictions, targets and weights of so many items that blocks of them go to several threads."""
    weight = np.random.default_rng(0).random(items)
    return draw(loss, (items,), scale=5.0)[0], integers(loss, (items,)), weight


def results(loss, prediction, target, weight):
    """Return all bits of what kernels compute, in both precisions."""
    found = []
    for dtype in (np.float64, np.float32):
        given = prediction.astype(dtype), target, weight.astype(dtype)
        found += [*loss.value_and_gradient(*given), *loss.gradient_and_hessian(*given)]
    return b"".join(np.asarray(result).tobytes() for result in found)


@pytest.mark.parametrize("loss", COMPILED, ids=name)
def test_any_number_of_threads_gives_the_same_bits(loss):
    given = inputs(loss)
    with kernels.threads(1):
        expected = results(loss, *given)
    for count in COUNTS:
        with kernels.threads(count):
            assert results(loss, *given) == expected, f"with {count} threads"


@pytest.mark.parametrize("loss", COMPILED, ids=name)
def test_repeats_give_the_same_bits(loss):
    given, first = inputs(loss, 20_000), None
    with kernels.threads(4):
        for _ in range(1000):
            value = loss(*given).tobytes()
            first = first or value
            assert value == first


FORK = """
import os
import amiss
from amiss import kernels
from kernels.test_threads import COMPILED, inputs, results
given = {loss: inputs(loss) for loss in COMPILED}
with kernels.threads(4):
    expected = {loss: results(loss, *given[loss]) for loss in COMPILED}
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if all(results(loss, *given[loss]) == expected[loss] for loss in COMPILED) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_forked_child_has_threads_of_its_own():
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", FORK]
    subprocess.run(command, check=True, timeout=60, env=os.environ | {"PYTHONPATH": tests})


def test_python_threads_at_once_give_the_same_bits():
    given = {loss: inputs(loss) for loss in COMPILED}

    def everything():
        return [results(loss, *given[loss]) for loss in COMPILED]

    with kernels.threads(2):
        expected, found = everything(), []
        workers = [threading.Thread(target=lambda: found.append(everything())) for _ in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert found == [expected] * 8


def test_bad_count_is_refused():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        kernels.threads(0)


def test_threads_are_set_for_a_block_and_by_the_environment():
    before = amiss.threads
    assert before is kernels.threads
    with amiss.threads(3):
        assert kernels.thread_count() == 3
    program = "from amiss import kernels; print(kernels.thread_count())"
    for given, expected in (("5", "5"), ("zero", None), ("0", None)):
        environment = os.environ | {"AMISS_NUM_THREADS": given}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == (expected or str(kernels._default_threads()))


def test_no_more_threads_than_this_process_may_use():
    cores = sorted(os.sched_getaffinity(0))
    program = (
        f"import os; os.sched_setaffinity(0, {{{cores[0]}}})\n"
        "from amiss import kernels; print(kernels.thread_count())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "AMISS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 1 << 30)]
)
def test_the_quota_of_a_container_limits_threads(text, expected, monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert kernels._quota() == expected
