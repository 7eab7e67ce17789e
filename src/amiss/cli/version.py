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
        path = f"compiled kernels ({len(kernels.names())}), {kernels.instruction_set()}"
    else:
        path = "portable, no compiled kernels (a C++ compiler at installation builds them)"
    found = ", ".join(f"{name} {_version_of(name)}" for name in array_libraries())
    return "\n".join(
        [
            f"amiss {amiss.__version__}",
            f"path: {path}",
            f"threads: {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
            " available; kernels use 1",
            f"array libraries: {found}",
            f"python {platform.python_version()} on {platform.system()} {platform.machine()}",
        ]
    )


def _version_of(name: str) -> str:
    for distribution in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "(unknown version)"
