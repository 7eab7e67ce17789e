"""Whatever happens to a file, it is read right or refused with one clear error."""

import gzip
import io
import random

import numpy as np
import pytest

from amiss.comparison.archives import read_npz
from amiss.comparison.idx import read_idx
from amiss.comparison.tables import read_table
from amiss.core.errors import AmissError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])
FLIPS = 1500


def npz(save):
    out = io.BytesIO()
    save(out, x=X, y=Y)
    return out.getvalue()


def idx():
    return bytes([0, 0, 14, 2]) + np.array(X.shape, ">u4").tobytes() + X.astype(">f8").tobytes()


def csv():
    return (
        "a,b,c,y\n" + "\n".join(f"{a},{b},{c},{y}" for (a, b, c), y in zip(X, Y, strict=True)) + "\n"
    ).encode()


def of_archive(path):
    return read_npz(path)[0]


def of_table(path):
    return read_table(path).x


FILES = {
    "idx": (idx(), read_idx),
    "idx.gz": (gzip.compress(idx(), mtime=0), read_idx),
    "npz stored": (npz(np.savez), of_archive),
    "npz deflated": (npz(np.savez_compressed), of_archive),
    "csv": (csv(), of_table),
    "csv.gz": (gzip.compress(csv(), mtime=0), of_table),
}
CHECKED = {"idx.gz", "npz stored", "npz deflated", "csv.gz"}  # formats that carry a checksum of their data


@pytest.fixture(params=FILES)
def broken(request, tmp_path):
    data, read = FILES[request.param]
    path = tmp_path / "file"

    def attempt(content):
        path.write_bytes(content)
        try:
            return read(path)
        except AmissError as error:
            message = str(error)
        assert str(path) in message
        return None

    return request.param, data, attempt


def test_the_whole_file_is_read(broken):
    _, data, attempt = broken
    np.testing.assert_array_equal(attempt(data), X)


def test_a_file_cut_anywhere(broken):
    name, data, attempt = broken
    for length in range(len(data)):
        read = attempt(data[:length])
        if read is not None:
            assert name == "csv"  # a table may end after any whole line
            np.testing.assert_array_equal(read, X[: len(read)])


def test_flipped_bits(broken):
    name, data, attempt = broken
    rng = random.Random(0)
    for _ in range(FLIPS):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 4, 16])):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        read = attempt(bytes(damaged))
        if read is not None and name in CHECKED and read.shape == X.shape and read.dtype == X.dtype:
            np.testing.assert_array_equal(read, X)


def test_bytes_without_sense(broken):
    _, data, attempt = broken
    rng = random.Random(1)
    for length in range(300):
        attempt(data[: rng.randrange(30)] + rng.randbytes(length))
