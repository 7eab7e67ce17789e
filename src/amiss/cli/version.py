"""What `amiss --version` says: the path that is active, and what was found on this machine."""

import importlib.metadata
import os
import platform

__all__ = ["version_text"]


def version_text() -> str:
    """Return version, kernels, instruction set, threads and array libraries, a line each."""
    import amiss
    from amiss import kernels
    from amiss.arrays import array_libraries

    if kernels.available():
        used = kernels.thread_count()
        path = f"compiled kernels ({len(kernels.names())}), {kernels.instruction_set()}"
    else:
        used = 0
        path = f"portable, no compiled kernels ({kernels.missing()})"
    found = ", ".join(f"{name} {_version_of(name)}" for name in array_libraries())
    return "\n".join(
        [
            f"amiss {amiss.__version__}",
            f"path: {path}",
            f"threads: {_cores()} available; kernels use {used}",
            f"array libraries: {found}",
            f"python {platform.python_version()} on {platform.system()} {platform.machine()}",
        ]
    )


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _version_of(name: str) -> str:
    for distribution in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "(unknown version)"
