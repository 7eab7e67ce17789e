"""Runs through any `concurrent.futures.Executor`: the numbers of one process, each epoch reported once."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from comparison.tiny import TINY, without_times

import amiss
from amiss.comparison import Comparison, Interrupted
from amiss.comparison.workers import _EachEpochOnce


@pytest.fixture(scope="module")
def alone():
    return without_times(amiss.compare(["ce", "mse"], **TINY))


def processes(count):
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))


@pytest.mark.parametrize(
    "executor", [lambda: ThreadPoolExecutor(2), lambda: processes(1)], ids=["threads", "process"]
)
def test_an_executor_gives_the_same_numbers_and_each_epoch_once(executor, alone):
    events = []
    with executor() as pool:
        other = amiss.compare(["ce", "mse"], **TINY, executor=pool, progress=events.append)
    assert without_times(other) == alone
    kinds = [event["event"] for event in events[1:]]
    assert kinds == ["epoch", "epoch", "epoch", "run"] * 4


def test_an_executor_that_loses_a_process_says_so_and_keeps_what_is_finished(tmp_path):
    def kill(event):
        if event["event"] == "run" and not killed:
            killed.extend(pool._processes)
            os.kill(killed[0], signal.SIGKILL)

    killed = []
    given = {"data": "iris", "repeats": 4, "epochs": 150, "out": tmp_path / "out"}
    with processes(1) as pool, pytest.raises(amiss.AmissError, match="executor must live until all runs are"):
        amiss.compare("ce", **given, executor=pool, progress=kill)
    kept = Comparison.load(tmp_path / "out")
    assert 1 <= len(kept.runs) < 4
    assert kept.status == "interrupted"


def test_ctrl_c_cancels_what_has_not_begun_and_keeps_what_is_finished():
    submitted = []

    class Watched(ThreadPoolExecutor):
        def submit(self, *work):
            submitted.append(super().submit(*work))
            return submitted[-1]

    def interrupt(event):
        if event["event"] == "run":
            raise KeyboardInterrupt

    with Watched(1) as pool, pytest.raises(Interrupted) as caught:
        amiss.compare(["ce", "mse"], data="iris", repeats=3, epochs=100, executor=pool, progress=interrupt)
    assert len(caught.value.comparison.runs) == 1
    assert sum(future.cancelled() for future in submitted) >= 4


def test_an_epoch_that_is_told_twice_late_or_not_at_all_is_reported_once_and_in_order():
    comparison = amiss.compare("ce", **TINY)
    result = comparison.runs[0]
    first, second, third = result.events()
    reported = []
    epochs = _EachEpochOnce(reported.append)
    for event in (first, second, first, second):
        epochs(event)
    assert reported == [first, second]
    epochs.complete(result)
    epochs(third)
    assert reported == [first, second, third]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"executor": 3},
            r"executor must be a concurrent\.futures\.Executor; got int\. For Dask give cluster",
        ),
        ({"executor": ThreadPoolExecutor(1), "jobs": 2}, "jobs must not be given with executor"),
        (
            {"executor": ThreadPoolExecutor(1), "cluster": "tcp://x:1"},
            "executor must not be given with cluster",
        ),
    ],
)
def test_what_contradicts_itself_is_an_error(given, message):
    with pytest.raises(amiss.ParameterError, match=message):
        amiss.compare("ce", **TINY, **given)
