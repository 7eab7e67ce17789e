"""Files that may be broken, hostile, or written by two processes at once."""

import gzip
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from amiss.core.errors import AmissError, DomainError, ParameterError

__all__ = [
    "EXPANSION_RULE",
    "counted",
    "expanded_limit",
    "human",
    "is_gzipped",
    "reading",
    "regular_file",
    "replacing",
]

_LARGEST = 4 << 30
_EXPANSION = 100
_HARMLESS = 64 << 20

EXPANSION_RULE = "100 times its packed size, or 64 MiB if that is more, and never more than 4 GiB"

_DAMAGED = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_UNREADABLE = (ValueError, SyntaxError, ArithmeticError, LookupError, TypeError)


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    Examples:
        >>> counted(1, "run"), counted(2, "run"), counted(3, "class")
        ('1 run', '2 runs', '3 classes')
    """
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def human(size: float) -> str:
    """Write a number of bytes for people.

    Examples:
        >>> human(1023), human(1536), human(3 << 30)
        ('1,023 bytes', '1.5 KiB', '3.0 GiB')
    """
    if size < 1024:
        return f"{size:,.0f} bytes"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size:.2g} PiB"


def expanded_limit(packed: int) -> int:
    """Return how many bytes a file may expand to: what `EXPANSION_RULE` says.

    Examples:
        >>> human(expanded_limit(2_000)), human(expanded_limit(1 << 20)), human(expanded_limit(1 << 30))
        ('64.0 MiB', '100.0 MiB', '4.0 GiB')
    """
    return min(_LARGEST, max(_HARMLESS, _EXPANSION * packed))


def regular_file(path: str | os.PathLike[str]) -> Path:
    """Return the path if a regular file stands there (no folder, no device); else raise ParameterError."""
    path = Path(path)
    if path.is_file():
        return path
    found = "a folder" if path.is_dir() else "something else" if path.exists() else "nothing"
    raise ParameterError(f"{path} must be a file; there is {found}. Check the path.")


def is_gzipped(stream: IO[bytes]) -> bool:
    """Look at the first two bytes of a file, and go back to its start."""
    start = stream.read(2)
    stream.seek(0)
    return start == b"\x1f\x8b"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a broken file provokes in a decoder into one error that names the file."""
    try:
        yield
    except AmissError:
        raise
    except EOFError:
        raise DomainError(f"{path} must be complete; it ends early. Copy or fetch it again.") from None
    except _DAMAGED as error:
        raise DomainError(f"{path} must be undamaged; {error}. Copy or fetch it again.") from error
    except OSError as error:
        raise AmissError(f"{path} must be readable; {error.strerror or error}. Check it.") from error
    except UnicodeDecodeError as error:
        bad = error.object[error.start]
        raise DomainError(f"{path} must be UTF-8 text; byte {bad:#04x} is not. Save it as UTF-8.") from None
    except _UNREADABLE as error:
        raise DomainError(f"{path} must be well formed; {error}. Write it again.") from error
    except MemoryError:
        raise DomainError(f"{path} must fit into memory; it does not. Give a smaller file.") from None


@contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO]:
    """Open a file for writing that appears under its name whole, or not at all.

    What is written goes to a new file next to `path`, and takes its name once it is on the disk.
    After an error or an interrupt the old file is as it was and the new one is gone.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt", "w") as stream:
        ...     _ = stream.write("whole")
        >>> [file.name for file in folder.iterdir()], (folder / "a.txt").read_text()
        (['a.txt'], 'whole')
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(part, mode.replace("w", "x"), **text) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        raise AmissError(
            f"{path} must be writable; {error.strerror or error}. Nothing was changed."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
