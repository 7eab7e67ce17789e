"""Runs on the workers of a Dask scheduler, on this machine or on many, with the same results.

Dask repeats what a worker was doing when it died; a run is a pure function of its description, so that
nothing is lost, and since each run has one future, nothing is counted twice.
"""

import importlib.metadata
import platform
import queue
import re
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np

import amiss
from amiss import kernels
from amiss.comparison.data import DataSet
from amiss.comparison.runs import Report, Result, Run, train
from amiss.core.errors import AmissError, BackendError, ParameterError

__all__ = ["Cluster"]

_ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^/]+:\d+|inproc://.+")
_KEPT = "What was finished is kept; with a folder, resume goes on."


class Cluster:
    """The workers of a Dask scheduler, while a comparison lasts.

    Args:
        address: that of the scheduler, such as "tcp://10.0.0.5:8786".
        patience: seconds to wait for the scheduler, and then for its first worker.

    Raises:
        BackendError: `dask.distributed` is missing here, or amiss on a worker, or it is of another version.
        ParameterError: no scheduler answers at the address, or it has no worker.
    """

    def __init__(self, address: str, patience: float = 5.0) -> None:
        self.address = address
        self.patience = patience
        self.client: Any = None

    def __enter__(self) -> "Cluster":
        self.client = _connected(self.address, self.patience)
        try:
            self._check_workers()
        except BaseException:
            self.client.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def _check_workers(self) -> None:
        """Raise if a worker cannot do the work, warn if its digits may differ."""
        try:
            self.client.wait_for_workers(1, timeout=self.patience)
        except TimeoutError:
            raise ParameterError(
                f"cluster: the scheduler at {self.address} must have a worker; it has none. "
                f"Start some: dask worker {self.address}"
            ) from None
        scheduler = {"the scheduler": self._on_scheduler()}
        workers = self.client.run(importlib.metadata.version, "amiss", on_error="return")
        for place, version in (scheduler | workers).items():
            if isinstance(version, Exception):
                raise BackendError(
                    f"cluster: amiss must be installed on the scheduler and on every worker; {place} lacks "
                    f'it. pip install "amiss[cluster,data]=={amiss.__version__}" there.'
                )
            _check_version(version, amiss.__version__, place)
        here = _surroundings()
        for worker, there in self.client.run(_surroundings).items():
            other = [
                f"{what} {there[what]} (here {here[what]})" for what in here if there[what] != here[what]
            ]
            if other:
                warnings.warn(
                    f"The worker {worker} has {', '.join(other)}: last digits of its results may differ.",
                    RuntimeWarning,
                    stacklevel=4,
                )

    def _on_scheduler(self) -> str | Exception:
        try:
            return self.client.run_on_scheduler(importlib.metadata.version, "amiss")
        except importlib.metadata.PackageNotFoundError as error:
            return error

    def train(self, runs: Sequence[Run], data: DataSet, report: Report) -> Iterator[Result]:
        """Yield the result of each run as soon as it is there, and report epochs while they go by.

        A run that raises does not end the others. When they are over the first error is raised.

        Raises:
            AmissError: a run raised, or its worker died four times in a row, or the scheduler went away.
        """
        topic = f"amiss-{uuid.uuid4().hex}"
        news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.client.subscribe_topic(topic, lambda event: news.put(event[1]))
        futures = self._submitted(runs, data, topic)
        for future in futures:
            future.add_done_callback(news.put)
        failed: list[str] = []
        try:
            while futures:
                told = _next(news)
                if isinstance(told, dict):
                    report(told)
                elif told is not None:
                    run = futures.pop(told)
                    try:
                        result = told.result()
                    except CancelledError:
                        raise AmissError(
                            f"cluster: the scheduler at {self.address} must live until all runs are over; "
                            f"it went away. {_KEPT}"
                        ) from None
                    except Exception as error:  # whatever a worker raises
                        failed.append(f"{run.entrant.label}, seed {run.seed}: {_reason(error)}")
                    else:
                        yield result
        finally:
            if self.client.status == "running":
                self.client.unsubscribe_topic(topic)
                if futures:  # Ctrl-C, or an error: what goes on ends after its epoch
                    self.client.cancel(list(futures))
                    self.client.run(_stop, topic, on_error="ignore")
        if failed:
            raise AmissError(f"cluster: {len(failed)} of {len(runs)} runs failed. {failed[0]} {_KEPT}")

    def _submitted(self, runs: Sequence[Run], data: DataSet, topic: str) -> dict[Any, Run]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            # A task and not scattered, so that a lost one is made again. Each worker copies it from another,
            # once; Dask would give all runs to the only one that has it.
            shared = self.client.submit(_itself, data, key=f"{topic}-data")
            self.client.replicate([shared])
            return {
                self.client.submit(_work, run, shared, topic, amiss.__version__, key=f"{topic}-{number}"): run
                for number, run in enumerate(runs)
            }


def _connected(address: str, patience: float) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise BackendError(
            'A cluster needs dask.distributed; it is missing. pip install "amiss[cluster]"'
        ) from None
    rule = "cluster: address must be that of a Dask scheduler, as in tcp://127.0.0.1:8786; got"
    if not _ADDRESS.fullmatch(address):
        raise ParameterError(f"{rule} {address!r}. `dask scheduler` starts one, and says its address.")
    client: Future[Any] = Future()

    def connect() -> None:
        try:
            client.set_result(Client(address, timeout=patience, set_as_default=False))
        except Exception as error:
            client.set_exception(error)

    # In a thread, since a server of another kind, such as the dashboard, would never answer.
    threading.Thread(target=connect, daemon=True).start()
    try:
        return client.result(patience + 1.0)
    except ImportError as error:  # so says Dask where versions do not fit
        raise BackendError(f"cluster: Dask must be of one version everywhere. {error}") from None
    except (OSError, ValueError):
        raise ParameterError(
            f"{rule} {address!r}, where none answers. `dask scheduler` starts one, and says its address."
        ) from None


def _next(news: "queue.SimpleQueue[Any]") -> Any:
    try:
        return news.get(timeout=0.2)  # so that Ctrl-C is heard on every system
    except queue.Empty:
        return None


def _reason(error: BaseException) -> str:
    """Return what an error goes back to, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _check_version(there: str, here: str, worker: str) -> None:
    if there != here:
        raise BackendError(
            f"cluster: amiss must be of one version everywhere; {worker} has {there}, and the client {here}. "
            "Install the same."
        )


# --- what runs on a worker ----------------------------------------------------------------------------------
_stopped: set[str] = set()


def _surroundings() -> dict[str, str]:
    """Return what the last digits may depend on."""
    path = kernels.instruction_set() if kernels.available() else "none"
    return {"Python": platform.python_version(), "NumPy": np.__version__, "kernels": path}


def _itself(data: DataSet) -> DataSet:
    return data


def _stop(topic: str) -> None:
    _stopped.add(topic)


def _work(run: Run, data: DataSet, topic: str, version: str) -> Result:
    from distributed import get_worker

    worker = get_worker()
    _check_version(amiss.__version__, version, worker.address)  # it may have come later than the check of all
    with kernels.threads(1):  # a task of Dask is one thread
        return train(run, data, lambda event: worker.log_event(topic, event), lambda: topic in _stopped)
