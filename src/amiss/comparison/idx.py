"""IDX: the file format of MNIST and its relatives."""

import gzip
import math
import os
import re
from pathlib import Path
from typing import IO

import numpy as np

from amiss.comparison.files import EXPANSION_RULE, expanded_limit, human, is_gzipped, reading, regular_file
from amiss.core.errors import DomainError, ParameterError, ShapeError

__all__ = ["idx_folder", "read_idx", "read_idx_folder"]

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_CHUNK = 1 << 20

_PARTS = {
    f"{split} {content}": re.compile(rf"(.*-)?{split}[-.]{content}[-.]idx\d[-.]ubyte(\.gz)?")
    for split in ("train", "t10k")
    for content in ("images", "labels")
}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file, gzipped or not.

    The header is checked against the size of the file before any memory is taken for the array.

    Args:
        path: a file that starts with two zero bytes, a type byte, and the number of axes.

    Returns:
        An array with the shape and type that the header gives, in the machine's byte order.

    Raises:
        DomainError: the file is no IDX file, is cut short, is damaged or goes on after its data.
        ParameterError: there is no such file.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
        >>> _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
        >>> read_idx(file)
        array([7, 2, 1], dtype=uint8)
    """
    path = regular_file(path)
    with reading(path), open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        if not is_gzipped(raw):
            return _read(path, raw, available=size)
        with gzip.open(raw) as stream:
            return _read(path, stream, available=expanded_limit(size))


def _read(path: Path, stream: IO[bytes], available: int) -> np.ndarray:
    kind, shape = _header(path, stream)
    wanted = math.prod(shape) * kind.itemsize
    if wanted > available:
        raise DomainError(
            f"{path} must hold what its header announces, and expand to at most {EXPANSION_RULE}; "
            f"it announces {' x '.join(map(str, shape))} items, {human(wanted)}. Copy or fetch it again."
        )
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, wanted + 1 - len(data))):
        data += chunk
    if len(data) != wanted:
        found = "goes on after them" if len(data) > wanted else f"holds {human(len(data))}"
        raise DomainError(f"{path} must hold {human(wanted)} of data; it {found}. Copy or fetch it again.")
    return np.frombuffer(data, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _header(path: Path, stream: IO[bytes]) -> tuple[np.dtype, tuple[int, ...]]:
    magic = _exactly(stream, 4)
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DomainError(
            f"{path} must start with 00 00 and an IDX type (08, 09, 0b, 0c, 0d or 0e); "
            f"it starts with {magic.hex(' ')}. Give an IDX file."
        )
    sizes = np.frombuffer(_exactly(stream, 4 * magic[3]), ">u4")
    return np.dtype(_TYPES[magic[2]]), tuple(map(int, sizes))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def idx_folder(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Find the four files of a set in a folder; an empty dictionary where one is missing.

    Returns:
        The paths under the keys ``train images``, ``train labels``, ``t10k images``, ``t10k labels``.

    Raises:
        ParameterError: the folder holds several sets.
    """
    folder = Path(folder)
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    found = {}
    for part, pattern in _PARTS.items():
        matches = [name for name in names if pattern.fullmatch(name)]
        if len({name.removesuffix(".gz") for name in matches}) > 1:
            raise ParameterError(
                f"{folder} must hold one set of IDX files; it holds {' and '.join(matches)}. "
                "Move each set into a folder of its own."
            )
        if matches:
            found[part] = folder / matches[0]
    return found if len(found) == len(_PARTS) else {}


def read_idx_folder(folder: str | os.PathLike[str]) -> tuple[np.ndarray, ...]:
    """Read training images and labels, test images and labels from a folder of IDX files.

    Returns:
        Images (N, height, width), labels (N,), test images and test labels.

    Raises:
        ParameterError: one of the four files is missing.
        DomainError: a file is damaged.
        ShapeError: images and labels do not go together.
    """
    files = idx_folder(folder)
    if not files:
        raise ParameterError(
            f"{folder} must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte "
            "and t10k-labels-idx1-ubyte, each as it is or with .gz; it does not. Check the path."
        )
    arrays = tuple(read_idx(path) for path in files.values())
    for images, labels in (arrays[:2], arrays[2:]):
        if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels):
            raise ShapeError(
                f"{folder} must hold one label for each image; it holds images of shape {images.shape} "
                f"and labels of shape {labels.shape}. Check that the files belong together."
            )
    return arrays
