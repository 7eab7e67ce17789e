"""Downloads: only files whose checksum is known, and only when somebody asks for them."""

import hashlib
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from amiss.comparison.files import human, replacing
from amiss.core.errors import AmissError, ParameterError, suggest

__all__ = ["REMOTE", "Remote", "RemoteFile", "data_folder", "fetch"]

_CHUNK = 1 << 16
_TIMEOUT = 30  # seconds without a byte

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file, its exact size in bytes, and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Remote:
    """A set of files and the places that serve them, the first to be asked first."""

    name: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)


def _idx_files(*facts: tuple[int, str]) -> tuple[RemoteFile, ...]:
    names = (
        f"{split}-{content}-ubyte.gz"
        for split in ("train", "t10k")
        for content in ("images-idx3", "labels-idx1")
    )
    return tuple(RemoteFile(name, size, sha256) for name, (size, sha256) in zip(names, facts, strict=True))


REMOTE = {
    "mnist": Remote(
        "mnist",
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        _idx_files(
            (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "fashion": Remote(
        "fashion",
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        _idx_files(
            (26_421_856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
            (29_491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
            (4_422_079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
            (5_125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
        ),
    ),
}


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of downloads: the one given, else ``$AMISS_DATA_DIR``, else the user's cache."""
    chosen = folder or os.environ.get("AMISS_DATA_DIR")
    if chosen:
        return Path(chosen).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "amiss"


def fetch(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    opener: Callable[..., IO[bytes]] = urllib.request.urlopen,
    progress: Progress | None = None,
) -> Path:
    """Download a data set into ``folder/name``.

    A file appears under its name only once it is complete and its SHA-256 is right; a file that is there
    already and right is not fetched again.

    Args:
        name: ``"mnist"`` or ``"fashion"``.
        folder: where data sets are kept; by default ``$AMISS_DATA_DIR``, else the user's cache.
        opener: called with an address and ``timeout=``; returns a stream of bytes.
        progress: called with the file's name, the bytes fetched so far, and the bytes in all.

    Returns:
        The folder that holds the files.

    Raises:
        ParameterError: there is no such set to download.
        AmissError: no mirror gave the right file; the message says what each one did, and what to do by hand.
    """
    if name not in REMOTE:
        raise ParameterError(
            f"fetch: name must be one of {', '.join(REMOTE)}; got {name!r}.{suggest(name, REMOTE)} "
            "`amiss data` lists all sets; the others come with their package."
        )
    remote = REMOTE[name]
    place = data_folder(folder) / name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AmissError(
            f"{place} must be a folder; {error.strerror}. Choose another with --data-dir."
        ) from None
    for file in remote.files:
        if not _is_right(place / file.name, file):
            _fetch_file(remote, file, place, opener, progress or _silent)
    return place


def _silent(name: str, done: int, total: int) -> None:
    """Report nothing."""


def _is_right(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def _fetch_file(
    remote: Remote, file: RemoteFile, place: Path, opener: Callable[..., IO[bytes]], progress: Progress
) -> None:
    failures = []
    for mirror in remote.mirrors:
        try:
            with replacing(place / file.name) as out:
                for chunk in _checked(file, _received(mirror + file.name, opener)):
                    out.write(chunk)
                    progress(file.name, out.tell(), file.size)
            return
        except _TransferError as failure:
            failures.append(f"  {mirror}{file.name}: {failure}")
    tried = "\n".join(failures)
    raise AmissError(
        f"{file.name} must come from a mirror with its known SHA-256; none gave it:\n{tried}\n"
        f"Try again later, or put the files of {remote.name} into {place} by hand:\n"
        + "\n".join(f"  {f.name}  {f.size:,} bytes  sha256 {f.sha256}" for f in remote.files)
    )


class _TransferError(Exception):
    """One mirror failed; the next is tried."""


def _received(address: str, opener: Callable[..., IO[bytes]]) -> Iterator[bytes]:
    try:
        with opener(address, timeout=_TIMEOUT) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _TransferError(f"{reason}" or type(error).__name__) from error


def _checked(file: RemoteFile, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Pass chunks on; raise once they are too many, or at the end if size or checksum is wrong."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > file.size:
            raise _TransferError(f"more than the {file.size:,} bytes of this file")
        digest.update(chunk)
        yield chunk
    if size < file.size:
        raise _TransferError(f"cut off after {human(size)} of {human(file.size)}")
    if digest.hexdigest() != file.sha256:
        raise _TransferError(f"wrong SHA-256 {digest.hexdigest()}")
