"""A download appears whole and right, or not at all."""

import gzip
import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from amiss.comparison import downloads as module
from amiss.comparison.downloads import REMOTE, Remote, RemoteFile, data_folder, fetch
from amiss.comparison.sources import load
from amiss.core.errors import AmissError, ParameterError


def idx(array):
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


RNG = np.random.default_rng(0)
FILES = {
    f"{split}-{content}-ubyte.gz": gzip.compress(idx(array), mtime=0)
    for split in ("train", "t10k")
    for content, array in (
        ("images-idx3", RNG.integers(0, 256, (20, 6, 6))),
        ("labels-idx1", np.arange(20) % 10),
    )
}


class Handler(BaseHTTPRequestHandler):
    """Serves FILES under /good/, and spoils them in one way each under other names."""

    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        data = FILES[name]
        self.server.asked.append(self.path)
        if behaviour == "absent":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", len(data) + 9 * (behaviour == "longer"))
        self.end_headers()
        sent = {"good": data, "wrong": data[::-1], "cut": data[:-10], "longer": data + b"123456789"}[
            behaviour
        ]
        self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mirrors(server, monkeypatch):
    def use(*behaviours):
        files = tuple(
            RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()
        )
        address = f"http://127.0.0.1:{server.server_port}"
        remote = Remote("mnist", tuple(f"{address}/{behaviour}/" for behaviour in behaviours), files)
        monkeypatch.setitem(module.REMOTE, "mnist", remote)

    return use


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_fetched_files_are_loaded(mirrors, tmp_path):
    mirrors("good")
    assert fetch("mnist", tmp_path) == tmp_path / "mnist"
    assert names(tmp_path) == sorted(FILES)
    data = load("mnist", folder=tmp_path)
    assert data.x_train.shape == (20, 36)
    assert data.scaling == "pixels / 255"


def test_what_is_there_is_not_fetched_again(mirrors, server, tmp_path):
    mirrors("good")
    fetch("mnist", tmp_path)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    server.asked.clear()
    fetch("mnist", tmp_path)
    assert server.asked == ["/good/train-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("wrong", "wrong SHA-256"),
        ("cut", "cut off after|IncompleteRead"),
        ("longer", "more than the"),
        ("absent", "Not Found"),
    ],
)
def test_a_wrong_file_is_refused_and_leaves_nothing(mirrors, tmp_path, behaviour, message):
    mirrors(behaviour)
    with pytest.raises(AmissError, match=message) as caught:
        fetch("mnist", tmp_path)
    assert names(tmp_path) == []
    assert "by hand" in str(caught.value)
    assert "sha256" in str(caught.value)


@pytest.mark.parametrize("first", ["wrong", "cut", "longer", "absent"])
def test_the_next_mirror_is_asked(mirrors, tmp_path, first):
    mirrors(first, "good")
    fetch("mnist", tmp_path)
    assert names(tmp_path) == sorted(FILES)


def test_a_server_that_is_not_there(mirrors, server, tmp_path, monkeypatch):
    mirrors("good")
    remote = module.REMOTE["mnist"]
    monkeypatch.setitem(module.REMOTE, "mnist", Remote("mnist", ("http://127.0.0.1:1/",), remote.files))
    with pytest.raises(AmissError, match="refused"):
        fetch("mnist", tmp_path)


def test_an_interrupt_leaves_nothing(mirrors, tmp_path):
    mirrors("good")

    def interrupt(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("mnist", tmp_path, progress=interrupt)
    assert names(tmp_path) == []


def test_progress_counts_the_bytes(mirrors, tmp_path):
    mirrors("good")
    seen = {}
    fetch("mnist", tmp_path, progress=lambda name, done, total: seen.update({name: (done, total)}))
    assert seen == {name: (len(data), len(data)) for name, data in FILES.items()}


def test_another_opener_can_be_given(tmp_path, mirrors):
    mirrors("good")
    addresses = []

    def opener(address, timeout):
        addresses.append(address)
        raise OSError("no network here")

    with pytest.raises(AmissError, match="no network here"):
        fetch("mnist", tmp_path, opener=opener)
    assert len(addresses) == 1


def test_only_known_sets_are_fetched(tmp_path):
    with pytest.raises(ParameterError, match="Did you mean 'mnist'"):
        fetch("mnits", tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AmissError, match="must be a folder"):
        fetch("mnist", tmp_path / "file")


def test_every_published_file_has_a_size_and_a_checksum():
    for remote in REMOTE.values():
        assert len(remote.files) == 4
        for file in remote.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.size > 4000


def test_the_folder_of_downloads(monkeypatch, tmp_path):
    inside = partial(str.startswith, str(data_folder()))
    monkeypatch.setenv("AMISS_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder(tmp_path / "other") == tmp_path / "other"
    assert not inside(str(tmp_path))
