"""NPZ: arrays that NumPy saved."""

import math
import os
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

import numpy as np
from numpy.lib import format as npy

from amiss.comparison.files import EXPANSION_RULE, expanded_limit, human, reading, regular_file
from amiss.core.errors import DomainError, ParameterError, suggest

__all__ = ["read_npz"]

_TARGETS = ("y", "target", "targets", "label", "labels")
_INPUTS = ("x", "data", "images", "features")
_SPLIT = ("x_train", "y_train", "x_test", "y_test")

Arrays = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]


def read_npz(path: str | os.PathLike[str], target: str | None = None) -> Arrays:
    """Read inputs and targets from an ``.npz`` archive.

    The arrays are ``x`` and ``y`` (also ``data``, ``images`` or ``features``; ``target``, ``label`` or
    ``labels``), or ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Upper and lower case are the same.
    Nothing is unpickled: arrays of Python objects are refused. Sizes are checked before memory is taken:
    the arrays may expand to 100 times their packed size, or 64 MiB if that is more, up to 4 GiB.

    Args:
        path: the archive.
        target: the name of the array of targets, if it is none of the above.

    Returns:
        Inputs, targets, and test inputs and targets as a pair, or None where the archive has no test part.

    Raises:
        DomainError: the archive is damaged, hostile, or holds something else than numbers or text.
        ParameterError: there is no such file, or the arrays are not those looked for.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "two.npz"
        >>> np.savez(file, x=[[1.0, 2.0], [3.0, 4.0]], y=[0, 1])
        >>> x, y, test = read_npz(file)
        >>> x.shape, y.tolist(), test
        ((2, 2), [0, 1], None)
    """
    path = regular_file(path)
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {_array_name(path, info): info for info in archive.infolist()}
        wanted = _choose(path, list(members), target)
        _check_sizes(path, [members[name] for name in wanted])
        arrays = [_read_member(path, archive, members[name]) for name in wanted]
    return arrays[0], arrays[1], (arrays[2], arrays[3]) if len(arrays) == len(_SPLIT) else None


def _array_name(path: Path, info: zipfile.ZipInfo) -> str:
    name = info.filename
    parts = PurePosixPath(name).parts + PureWindowsPath(name).parts
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        raise DomainError(
            f"{path} must hold plain names; {name!r} leaves the archive. Do not trust this file."
        )
    return name.removesuffix(".npy")


def _choose(path: Path, names: list[str], target: str | None) -> tuple[str, ...]:
    """Return the names of x and y, or of the four arrays of a split."""
    lower = {name.lower(): name for name in names}
    if target is None and all(name in lower for name in _SPLIT):
        return tuple(lower[name] for name in _SPLIT)
    y = target if target in names else lower.get((target or "").lower())
    if target is not None and y is None:
        raise ParameterError(
            f"{path}: target must name one of its arrays, {_listed(names)}; got {target!r}."
            f"{suggest(target, names)}"
        )
    y = y or next((lower[name] for name in _TARGETS if name in lower), None)
    x = next((lower[name] for name in _INPUTS if name in lower and lower[name] != y), None)
    others = [name for name in names if name != y]
    if y is not None and x is None and len(others) == 1:
        x = others[0]
    if x is None or y is None:
        raise ParameterError(
            f"{path} must hold arrays x and y, or x_train, y_train, x_test and y_test; it holds "
            f"{_listed(names)}. Rename them, or name the array of targets (target=, --target)."
        )
    return x, y


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:12]))
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "none"


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    packed = sum(info.compress_size for info in members)
    total = sum(info.file_size for info in members)
    if total > expanded_limit(packed):
        raise DomainError(
            f"{path} must expand to at most {EXPANSION_RULE}; its arrays would go from {human(packed)} to "
            f"{human(total)}. Do not trust this file."
        )


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    what = f"{path}: array {info.filename!r}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise DomainError(f"{what} must be stored or deflated, and not encrypted. Save it with numpy.savez.")
    with archive.open(info) as stream:
        shape, fortran, kind = _npy_header(what, stream)
        if kind.kind == "O":
            raise DomainError(
                f"{what} must hold numbers or text; it holds Python objects, which are not opened."
            )
        if kind.kind not in "biufUS" or kind.itemsize == 0:
            raise DomainError(f"{what} must hold numbers or text; it has type {kind}. Convert it.")
        count = math.prod(shape)
        if count * kind.itemsize > info.file_size:
            raise DomainError(
                f"{what} must hold what its header announces; it announces {_by(shape)} items "
                f"of type {kind} in {human(info.file_size)}. Save it again."
            )
        data = stream.read()
    if len(data) != count * kind.itemsize:
        raise DomainError(f"{what} must end with its data; it holds {human(len(data))}. Save it again.")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return array.astype(kind.newbyteorder("="), copy=False)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"


def _npy_header(what: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise DomainError(f"{what} must have the npy version 1.0 or 2.0; it has {version}. Save plain arrays.")
