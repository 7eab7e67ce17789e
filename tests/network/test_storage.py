"""A network goes into a file and comes back whole, or not at all."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

import amiss
from amiss.core.errors import AmissError
from amiss.network import Dense, Network

LAYERS = [Dense(3, 4, "relu"), Dense(4, 5, "softmax", bias=False), Dense(5, 1, "sigmoid")]
CONFIG = {
    "format": 1,
    "dtype": "float32",
    "seed": 1,
    "epochs": 2,
    "layers": [{"inputs": 2, "outputs": 1, "activation": "tanh", "bias": True}],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.npz"


def write(path, config=CONFIG, arrays=None, compressed=False, **changes):
    """Write a file as `save` does, with something wrong in it."""
    if arrays is None:
        arrays = {"weight_0": np.ones((2, 1), "float32"), "weight_1": np.zeros(1, "float32")}
    text = config if isinstance(config, str) else json.dumps(config | changes)
    (np.savez_compressed if compressed else np.savez)(path, config=text, **arrays)


def refused(path):
    with pytest.raises(AmissError) as caught:
        Network.load(path)
    message = str(caught.value)
    assert message.startswith(f"Network: {path} must be a whole file of Network.save; got ")
    return message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [7, None])
def test_round_trip_is_exact(path, dtype, seed):
    network = Network(LAYERS, seed=seed, dtype=dtype)
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.zeros((20, 1))
    network.fit(x, y, loss=amiss.SquaredError(), epochs=2)
    network.save(path)
    again = Network.load(path)
    assert (again.layers, again.seed, again.dtype, again.epochs) == (network.layers, network.seed, dtype, 2)
    assert again.parameters.tobytes() == network.parameters.tobytes()
    assert again.predict(x).tobytes() == network.predict(x).tobytes()
    for one in (network, again):
        one.fit(x, y, loss=amiss.SquaredError(), batch_size=3)
    assert again.parameters.tobytes() == network.parameters.tobytes()


def test_numbers_that_are_not_finite_survive(path):
    network = Network([Dense(2, 1)], seed=0)
    network.weights = [[[np.nan], [-np.inf]], [-0.0]]
    network.save(path)
    assert Network.load(path).parameters.tobytes() == network.parameters.tobytes()


def test_the_path_is_taken_as_it_is_and_a_file_there_is_replaced(tmp_path):
    name = str(tmp_path / "no suffix")
    Network([Dense(2, 1)], seed=0).save(name)
    Network([Dense(2, 2)], seed=0).save(name)
    assert os.listdir(tmp_path) == ["no suffix"]
    assert Network.load(name).layers == (Dense(2, 2),)


def test_a_subclass_loads_itself(path):
    class Mine(Network):
        pass

    Network(LAYERS).save(path)
    assert type(Mine.load(path)) is Mine


def test_a_failed_save_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    Network([Dense(2, 1)], seed=0).save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        Network([Dense(2, 9)], seed=0).save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_folder_is_named(path):
    missing = path.parent / "nope"
    with pytest.raises(AmissError) as caught:
        Network([Dense(2, 1)], seed=0).save(missing / "x.npz")
    message = f"Network: {missing / 'x.npz'} must be in a folder; there is no folder {missing}. Make it."
    assert str(caught.value) == message


def test_a_missing_file_is_an_os_error(path):
    with pytest.raises(FileNotFoundError):
        Network.load(path)


def test_the_helper_of_these_tests_writes_a_sound_file(path):
    write(path)
    network = Network.load(path)
    assert (network.seed, network.epochs, network.layers) == (1, 2, (Dense(2, 1, "tanh"),))
    np.testing.assert_array_equal(network.parameters, [1, 1, 0])


def test_a_truncated_file_is_refused_at_every_length(path):
    Network([Dense(3, 2), Dense(2, 1)], seed=0).save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_changed_byte_is_refused_or_does_no_harm(path):
    network = Network([Dense(3, 2), Dense(2, 1)], seed=0)
    network.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            again = Network.load(path)
        except AmissError:
            continue
        assert again.parameters.tobytes() == network.parameters.tobytes()


def test_other_files_are_refused(path):
    for content in (b"", b"not a network", os.urandom(1000)):
        path.write_bytes(content)
        assert "zip" in refused(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    refused(path.with_suffix(".npy"))
    np.savez(path, x=np.zeros(3))
    assert "config" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.npy", b"\x93NUMPY")
    refused(path)


def test_a_newer_format_says_so(path):
    write(path, format=3)
    assert "its format 3 is of a newer amiss. Upgrade amiss." in refused(path)


BIG = {"inputs": 10**9, "outputs": 10**9, "activation": "relu", "bias": True}


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "1"},
        {"format": None},
        {"dtype": "float16"},
        {"dtype": "object"},
        {"dtype": 3},
        {"seed": -1},
        {"seed": "x"},
        {"seed": [1]},
        {"epochs": -1},
        {"epochs": 1.5},
        {"layers": []},
        {"layers": 3},
        {"layers": [{"inputs": 2, "outputs": 1, "activation": "tanh", "bias": True, "more": 1}]},
        {"layers": [{"inputs": 2, "outputs": 1, "activation": "__class__", "bias": True}]},
        {"layers": [{"inputs": 2.0, "outputs": 1}]},
        {"layers": [{"inputs": True, "outputs": 1}]},
        {"layers": [{"inputs": 1, "outputs": 2}]},
        {"layers": [{"inputs": 2, "outputs": 1}, {"inputs": 2, "outputs": 1}]},
        {"layers": [BIG]},
    ],
)
def test_a_wrong_configuration_is_refused(path, changes):
    write(path, **changes)
    refused(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": 1}', "\ud800"])
def test_a_configuration_that_is_none_is_refused(path, text):
    write(path, config=text)
    refused(path)


@pytest.mark.parametrize(
    "weight",
    [
        np.ones((1, 2), "float32"),
        np.ones(2, "float32"),
        np.ones((2, 1), "float64"),
        np.ones((2, 1), ">f4"),
        np.ones((2, 1), "int32"),
        np.array([[None], [None]], object),
        np.array([["a"], ["b"]]),
    ],
)
def test_a_wrong_array_is_refused(path, weight):
    write(path, arrays={"weight_0": weight, "weight_1": np.zeros(1, "float32")})
    assert "weight_0" in refused(path)


def test_an_array_that_is_missing_is_refused(path):
    write(path, arrays={"weight_0": np.ones((2, 1), "float32")})
    assert "weight_1" in refused(path)


def test_an_object_as_configuration_is_never_unpickled(path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(path) + ".sprung",))

    buffer = io.BytesIO()
    np.save(buffer, np.array(Trap(), object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.npy", buffer.getvalue())
    refused(path)
    assert os.listdir(path.parent) == [path.name]


def test_compressed_arrays_are_refused(path):
    write(path, compressed=True)
    assert "compressed" in refused(path)


def test_a_header_that_claims_more_than_the_file_takes_no_memory(path):
    """The header says 4 TB, and so does the configuration."""
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, claim)
    config = io.BytesIO()
    layers = [{"inputs": 10**6, "outputs": 10**6, "bias": False}]
    np.save(config, np.array(json.dumps(CONFIG | {"layers": layers})))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.npy", config.getvalue())
        archive.writestr("weight_0.npy", header.getvalue())
    assert "it is too short for its weights" in refused(path)


def test_an_array_with_fewer_numbers_than_its_header_says_is_refused(path):
    write(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["weight_0.npy"] = members["weight_0.npy"][:-4]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path)
