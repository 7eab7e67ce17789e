"""Runs on the workers of a real Dask scheduler: the numbers of one process, nothing lost with a worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import distributed
import pytest
from comparison.tiny import TINY, without_times

import amiss
from amiss.cli import main
from amiss.comparison import Comparison, DataSet
from amiss.comparison.cluster import Cluster

LONG = {"data": "iris", "hidden": 5, "repeats": 2, "epochs": 300}
SETTINGS = {**os.environ, "PYTHONWARNINGS": "ignore", "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}


@contextmanager
def started(*words):
    command = words if words[0] == "-c" else ("-m", "dask", *words)
    process = subprocess.Popen(
        [sys.executable, *command], env=SETTINGS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler_in(folder):
    """Start a scheduler, and yield its process and address."""
    file = folder / "scheduler.json"
    with started(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file
    ) as own:
        wait_until(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        yield own, json.loads(file.read_text())["address"]


def worker_of(address, name):
    return started("worker", address, "--no-nanny", "--nthreads", "1", "--name", name, "--no-dashboard")


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with scheduler_in(tmp_path_factory.mktemp("scheduler")) as (_, address):
        yield address


@pytest.fixture(scope="module")
def client(scheduler):
    with distributed.Client(scheduler, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def address(scheduler, client):
    """Return the address of a scheduler with a worker that lives as long as it."""
    with worker_of(scheduler, "steady"):
        client.wait_for_workers(1, timeout=30)
        yield scheduler


def epochs(events):
    names = ("loss", "seed", "part", "learning_rate", "epoch")
    return [tuple(event[name] for name in names) for event in events if event["event"] == "epoch"]


def test_a_cluster_gives_the_numbers_of_one_process(address):
    alone = amiss.compare(["ce", "mse"], **TINY, learning_rate="auto")
    events = []
    spread = amiss.compare(
        ["ce", "mse"], **TINY, learning_rate="auto", cluster=address, progress=events.append
    )
    assert without_times(spread) == without_times(alone)
    assert len(epochs(events)) == len(set(epochs(events))) == 3 * (10 + 4)


def test_epochs_are_reported_while_a_run_goes_on(address):
    events = []

    def note(event):
        events.append((event["event"], time.monotonic()))

    amiss.compare("ce", **{**LONG, "repeats": 1}, cluster=address, progress=note)
    first = next(when for what, when in events if what == "epoch")
    over = next(when for what, when in events if what == "run")
    assert over - first > 0.1


def test_a_worker_that_is_killed_loses_no_run_and_counts_none_twice(address, client):
    alone = amiss.compare(["ce", "mse"], **LONG)
    events, doing = [], []
    with worker_of(address, "doomed") as doomed:
        client.wait_for_workers(2, timeout=30)
        names = {worker["name"]: at for at, worker in client.scheduler_info()["workers"].items()}

        def kill(event):
            events.append(event)
            if event["event"] == "epoch" and event["epoch"] >= 20 and not doing:
                found = client.processing()[names["doomed"]]
                if found and any(e["epoch"] >= 20 for e in events if e["event"] == "epoch"):
                    doing.extend(found)
                    os.kill(doomed.pid, signal.SIGKILL)

        spread = amiss.compare(["ce", "mse"], **LONG, cluster=address, progress=kill)
    assert doing, "it was killed while it trained"
    assert without_times(spread) == without_times(alone)
    assert len(epochs(events)) == len(set(epochs(events))) == 4 * 300
    assert sum(event["event"] == "run" for event in events) == 4


def test_data_travel_once_and_not_with_every_run(address, monkeypatch):
    pickled = []

    def state(self):
        pickled.append(self.name)
        return self.__dict__

    monkeypatch.setattr(DataSet, "__getstate__", state)
    amiss.compare(["ce", "mse"], **TINY, cluster=address)
    assert pickled == ["iris"]


class Foreign(amiss.SquaredError):
    """A loss that workers do not have."""


def test_a_run_that_raises_is_said_and_the_others_are_kept(address, tmp_path):
    with pytest.raises(
        amiss.AmissError, match=r"2 of 4 runs failed\. Foreign, seed \d: ModuleNotFoundError: No module"
    ):
        amiss.compare(["ce", Foreign()], **TINY, cluster=address, out=tmp_path / "out")
    kept = Comparison.load(tmp_path / "out")
    assert [(run.loss, run.status) for run in kept.runs] == [("CrossEntropy", "finished")] * 2
    assert kept.status == "interrupted"


@pytest.mark.parametrize("given", ["tcp://127.0.0.1:9", "127.0.0.1", "http://127.0.0.1:8786", ""])
def test_an_address_where_no_scheduler_is_makes_one_line_within_seconds(given, capsys, monkeypatch):
    monkeypatch.setattr(Cluster.__init__, "__defaults__", (1.0,))
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main(["compare", "mse", "--data", "iris", "--no-save", "--cluster", given])
    out, err = capsys.readouterr()
    assert time.monotonic() - began < 10
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert "address must be that of a Dask scheduler" in err
    assert repr(given) in err


def test_a_server_of_another_kind_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(amiss.ParameterError, match="where none answers"),
            Cluster(address, patience=0.5),
        ):
            pass


def test_a_scheduler_without_workers_says_how_to_start_one(tmp_path):
    with (
        scheduler_in(tmp_path) as (_, address),
        pytest.raises(amiss.ParameterError, match=r"it has none\. Start some: dask worker tcp://"),
        Cluster(address, patience=0.5),
    ):
        pass


WORKER = """
import importlib.metadata, sys
{prelude}
from dask.__main__ import main
sys.argv = ["dask", "worker", "{address}", "--no-nanny", "--nthreads", "1", "--no-dashboard"]
main()
"""
LACKS = """
def lacks(name, real=importlib.metadata.version):
    if name == "amiss":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = lacks
"""
IS_OLD = "import amiss; amiss.__version__ = '0.0.9'"
SAYS_OLD = """
def other(name, real=importlib.metadata.version):
    return "0.0.9" if name == "amiss" else real(name)
importlib.metadata.version = other
"""


@pytest.mark.parametrize(
    ("prelude", "message"),
    [
        (
            LACKS,
            r"amiss must be installed on the scheduler and on every worker; tcp://\S+ lacks it\. pip install",
        ),
        (SAYS_OLD, r"amiss must be of one version everywhere; tcp://\S+ has 0\.0\.9, and the client 0\.1\.0"),
        (IS_OLD, r"runs failed\. SquaredError, seed 0: BackendError: .* has 0\.0\.9, and the client 0\.1\.0"),
    ],
    ids=["missing", "another", "another that is noticed late"],
)
def test_a_worker_without_this_amiss_is_named(tmp_path, prelude, message):
    with (
        scheduler_in(tmp_path) as (_, address),
        started("-c", WORKER.format(prelude=prelude, address=address)),
    ):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=30)
        with pytest.raises(amiss.AmissError, match=message):
            amiss.compare("mse", **TINY, cluster=address)


def test_a_scheduler_that_goes_away_ends_the_comparison(tmp_path):
    def kill(event):
        if event["event"] == "epoch" and process.poll() is None:
            process.kill()
            process.wait()

    with scheduler_in(tmp_path) as (process, address), worker_of(address, "alone"):
        wait_for = distributed.Client(address, set_as_default=False)
        wait_for.wait_for_workers(1, timeout=30)
        wait_for.close()
        with pytest.raises(amiss.AmissError, match=r"must live until all runs are over; it went away"):
            amiss.compare("mse", **LONG, cluster=address, progress=kill)


HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


def test_ctrl_c_cancels_what_is_outstanding_and_shows_what_is_finished(address, client, tmp_path):
    words = f"compare mse ce --data iris --hidden 5 --epochs 600 --out out --cluster {address}".split()
    program = [sys.executable, "-c", f"{HEARS_CTRL_C}from amiss.cli import main; main()", *words]
    shown, told = tmp_path / "shown", tmp_path / "told"
    results = tmp_path / "out" / "results.json"
    with (
        shown.open("w") as out,
        told.open("w") as err,
        subprocess.Popen(program, stdout=out, stderr=err, cwd=tmp_path) as process,
    ):
        wait_until(lambda: results.exists() and json.loads(results.read_text())["runs"])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert "Traceback" not in told.read_text()
    assert "The comparison was interrupted" in shown.read_text()
    finished = Comparison.load(tmp_path / "out")
    assert 1 <= len(finished.runs) < 6
    assert {run.status for run in finished.runs} == {"finished"}
    wait_until(lambda: not any(client.processing().values()) and not any(client.call_stack().values()), 5)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(amiss.BackendError, match=r'pip install "amiss\[cluster\]"'):
        amiss.compare("mse", **TINY, cluster="tcp://127.0.0.1:9")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_jobs_with_a_cluster_is_an_error_that_says_why(jobs, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", "mse", "--jobs", jobs, "--cluster", "tcp://127.0.0.1:9"])
    assert ended.value.code == 2
    assert (
        "jobs must not be given with cluster; it counts processes of this machine" in capsys.readouterr().err
    )


def test_a_client_is_not_an_address(client):
    with pytest.raises(amiss.ParameterError, match=r"has it as client\.scheduler\.address"):
        amiss.compare("mse", **TINY, cluster=client)
