"""A kernel for a loss of one's own, compiled by the generator that the package itself uses."""

import copy
import ctypes
import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from amiss import kernels
from amiss.core import ElementwiseLoss
from amiss.core.errors import AmissError, BackendError, ParameterError

__all__ = ["compile"]

SOURCES = Path(kernels.__file__).parent


def compile(loss: Any) -> Any:
    """Return the same loss with a compiled kernel, as those of the catalogue have.

    It serves NumPy arrays and eager tensors on the CPU. The first call for a loss takes some seconds; the
    library is kept in the folder `amiss` of the user's cache (or in AMISS_CACHE), and found there the next
    time. A copy in another process, as `compare` makes with several jobs, has no kernel until it is compiled.

    Args:
        loss: an elementwise loss, of `amiss.define` or of a class of one's own.

    Raises:
        ParameterError: the loss is not elementwise.
        BackendError: there is no C++ compiler, or amiss was installed without kernels.
        AmissError: the compiler failed; its first lines are in the message.

    Examples:
        >>> import amiss
        >>> loss = amiss.define("(prediction - target)**4")
        >>> fast = amiss.compile(loss)
        >>> fast == loss, float(fast([3.0], [1.0]))  # 2 to the power 4
        (True, 16.0)
    """
    if not isinstance(loss, ElementwiseLoss):
        raise ParameterError(
            f"compile: loss must be one of single numbers, as amiss.define makes; got {loss!r}. "
            "Other losses run on the portable path."
        )
    if loss._is_built_in and loss._kernel is not None:
        return loss
    if not kernels.available():
        raise BackendError(
            "compile: amiss must have been installed with a C++ compiler; it was not. "
            "Install one, then amiss again: pip install --force-reinstall amiss"
        )
    from amiss.codegen.cpp import kernel_source

    text = kernel_source("own", copy.copy(loss), []) + "\n#define AMISS_KERNELS(X) X(own, )\n"
    compiled = copy.copy(loss)
    compiled.__dict__["_kernel"] = kernels.kernel_at(_entry(_library(text)))
    return compiled


@lru_cache(maxsize=256)
def _entry(library: Path) -> int:
    """Load a library, for as long as the process lives, and return the address of its kernel."""
    function = ctypes.CDLL(str(library)).amiss_entry
    function.restype = ctypes.c_void_p
    return int(function())


def _library(text: str) -> Path:
    """Return the library of a kernel; what it is made of names it, so that nothing stale is ever loaded."""
    command = [_compiler(), "-std=c++17", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", *kernels.flags()]
    parts = [" ".join(command), text]
    parts += [
        path.read_text(encoding="utf-8") for path in sorted((*SOURCES.glob("*.h"), SOURCES / "own.cpp"))
    ]
    library = _folder() / f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32]}.so"
    if not library.exists():
        _build(command, text, library)
    return library


def _build(command: list[str], text: str, library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        (Path(folder) / "kernels.inc").write_text(text, encoding="utf-8")
        made = Path(folder) / "own.so"
        done = subprocess.run(
            [*command, f"-I{folder}", str(SOURCES / "own.cpp"), "-o", str(made)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = "\n".join(done.stderr.splitlines()[:5])
            raise AmissError(
                f"compile: the compiler {command[0]} failed with code {done.returncode}.\n{lines}"
            )
        made.replace(library)  # whole, or not there: another process may be looking for it


def _compiler() -> str:
    configured = (sysconfig.get_config_var("CXX") or "").split()[:1]
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++", *configured):
        if name and shutil.which(name):
            return name
    raise BackendError("compile: a C++ compiler such as g++ or clang++ must be on the PATH; there is none.")


def _folder() -> Path:
    given = os.environ.get("AMISS_CACHE")
    return (
        Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amiss"
    )
