"""A network in a file: an `.npz` archive of a configuration in JSON and one array per weight, no pickle.

Nothing in a file is believed. Arrays are stored without compression, so that the file's size bounds theirs;
each must have the shape and dtype that the configuration says before its numbers are read.
"""

import json
import os
import secrets
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amiss.core.errors import AmissError
from amiss.network.layers import Dense

if TYPE_CHECKING:
    from amiss.network.network import Network

__all__ = ["load", "save"]

FORMAT = 2  # 1 had no scale


def save(network: "Network", path: str | os.PathLike) -> None:
    """Write the network to `path`, whole or not at all; a file that is there is replaced."""
    path = Path(path)
    if not path.parent.is_dir():
        raise AmissError(f"Network: {path} must be in a folder; there is no folder {path.parent}. Make it.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    config = {name: getattr(network, name) for name in ("dtype", "seed", "epochs", "scale")}
    config |= {"format": FORMAT, "layers": [asdict(layer) for layer in network.layers]}
    arrays = {f"weight_{n}": weight for n, weight in enumerate(network.weights)}
    try:
        with temporary.open("xb") as file:
            np.savez(file, config=json.dumps(config), **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(kind: type["Network"], path: str | os.PathLike) -> "Network":
    """Return the network in the file `path`; if it is not whole, raise an `AmissError` that says why."""
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _network(kind, archive, os.fstat(file.fileno()).st_size)
        except Exception as error:  # whatever zipfile, json, NumPy and Dense say of a broken file
            reason = error.args[0] if error.args else type(error).__name__
            raise AmissError(
                f"Network: {path} must be a whole file of Network.save; got one with this fault: {reason}"
            ) from error


def _network(kind: type["Network"], archive: zipfile.ZipFile, room: int) -> "Network":
    config = json.loads(_array(archive, "config", room).item())
    if config["format"] > FORMAT:
        raise ValueError(f"its format {config['format']} is of a newer amiss. Upgrade amiss.")
    layers, dtype = [Dense(**layer) for layer in config["layers"]], np.dtype(config["dtype"])
    if sum(layer.size for layer in layers) * dtype.itemsize > room:
        raise ValueError("it is too short for its weights.")
    shapes = [shape for layer in layers for shape in layer.shapes]
    weights = [_array(archive, f"weight_{n}", room, (shape, dtype)) for n, shape in enumerate(shapes)]
    network = kind(layers, config["seed"], config["dtype"], config.get("scale", 1.0))
    network.weights, network.epochs = weights, config["epochs"]
    if not isinstance(network.epochs, int) or network.epochs < 0:
        raise ValueError(f"it has learnt for {network.epochs!r} epochs.")
    return network


def _array(archive: zipfile.ZipFile, name: str, room: int, expected: tuple | None = None) -> np.ndarray:
    """Read the array of this name: its shape and dtype are the expected ones, or else those of a text."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > room:
        raise ValueError(f"{name} is compressed, or larger than the file.")
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has an unknown header.")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        fits = (shape, dtype) == expected if expected else (shape, dtype.kind) == ((), "U")
        if not fits or fortran:
            raise ValueError(f"{name} is an array {shape} of {dtype}, against the configuration.")
        return np.frombuffer(file.read(), dtype).reshape(shape)
