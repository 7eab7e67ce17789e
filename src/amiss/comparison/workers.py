"""Many runs: one after the other, in several processes, or on other machines, with the same results."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from amiss import kernels
from amiss.comparison.cluster import Cluster
from amiss.comparison.data import DataSet
from amiss.comparison.runs import Report, Result, Run, train
from amiss.core.errors import AmissError

__all__ = ["train_all"]

_POLL = 0.1  # seconds between two looks at the reports of the workers


def train_all(
    runs: Sequence[Run],
    data: DataSet,
    report: Report,
    jobs: int = 1,
    executor: Executor | Cluster | None = None,
) -> Iterator[Result]:
    """Yield the result of each run as soon as it is there.

    After Ctrl-C the runs that go on end after their epoch, and their results say "interrupted"; the rest is
    not begun. On an executor or a cluster they have no result: what has not begun is cancelled.

    Args:
        runs: what to do.
        data: what to learn from.
        report: called with a dictionary after each epoch; with an executor, when the run is over.
        jobs: how many processes work at once.
        executor: does the work instead; the caller shuts it down.

    Raises:
        AmissError: a worker process ended.
    """
    if executor is not None:
        epochs = _EachEpochOnce(report)
        on_cluster = isinstance(executor, Cluster)
        results = executor.train(runs, data, epochs) if on_cluster else _through(executor, runs, data)
        with contextlib.closing(results):  # also when the caller is interrupted
            for result in results:
                epochs.complete(result)
                yield result
    elif jobs > 1 and len(runs) > 1:
        yield from _in_processes(runs, data, report, min(jobs, len(runs)))
    else:
        yield from _one_by_one(runs, data, report)


def _one_by_one(runs: Sequence[Run], data: DataSet, report: Report) -> Iterator[Result]:
    for run in runs:
        result = train(run, data, report)
        yield result
        if result.status == "interrupted":
            return


class _EachEpochOnce:
    """Reports every epoch of every run once and in order, whatever comes twice, late or not at all."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.reached: dict[tuple[Any, ...], int] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        run = tuple(event[name] for name in ("loss", "seed", "learning_rate", "part"))
        if event["epoch"] == self.reached.get(run, 0) + 1:
            self.reached[run] = event["epoch"]
            self.report(event)

    def complete(self, result: Result) -> None:
        """Report what was not reported yet."""
        for event in result.events():
            self(event)


def _through(executor: Executor, runs: Sequence[Run], data: DataSet) -> Iterator[Result]:
    futures: list[Future] = []
    try:
        futures += [executor.submit(train, run, data) for run in runs]
        yield from _as_finished(futures, lambda: None, _POLL)
    except BrokenExecutor as error:
        raise AmissError(
            "executor must live until all runs are over; one of its workers ended. "
            "What was finished is kept; with a folder, resume goes on."
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _in_processes(runs: Sequence[Run], data: DataSet, report: Report, jobs: int) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    # What a worker has put into a simple queue is there before its result is: no thread sends it later.
    events, stop = context.SimpleQueue(), context.Event()

    def pass_on() -> None:
        while not events.empty():
            report(events.get())

    threads = max(1, kernels.thread_count() // jobs)
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (data, events, stop, threads))
    futures: list[Future] = []
    try:
        with _ctrl_c_held_back():  # workers end by `stop`, each after its epoch
            futures += [pool.submit(_work, run) for run in runs]
        yield from _as_finished(futures, pass_on, _POLL)
    except KeyboardInterrupt:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(BrokenProcessPool):
            yield from _as_finished(futures, pass_on, _POLL)
    except BrokenProcessPool as error:
        raise AmissError(
            "Worker processes must live until their runs are over; one ended. Try fewer jobs. In a script, "
            "call compare(jobs=...) below `if __name__ == '__main__':`."
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in futures):  # a full queue would hold their workers
            wait(futures, _POLL)
            while not events.empty():
                events.get()
        pool.shutdown()


def _as_finished(
    futures: Sequence[Future], between: Callable[[], None], timeout: float | None
) -> Iterator[Result]:
    waiting = set(futures)
    while waiting:
        finished, waiting = wait(waiting, timeout, FIRST_COMPLETED)
        between()
        for future in (future for future in futures if future in finished):
            with contextlib.suppress(CancelledError):
                yield future.result()
        waiting = {future for future in waiting if not future.cancelled()}


@contextlib.contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block; processes that are started in it never get one."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


_worker: dict[str, Any] = {}


def _start_worker(data: DataSet, events: Any, stop: Any, threads: int) -> None:
    kernels.threads(threads)  # no more than cores in all; the results do not depend on it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it cannot be held back
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker.update(data=data, report=events.put, stopped=stop.is_set)


def _end_with_parent() -> None:
    """Leave no worker behind when the parent is killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(run: Run) -> Result:
    return train(run, **_worker)
