"""The machine: its threads, which must be limited before other imports, its name, and its bandwidth."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("amiss", "numpy", "scipy", "torch", "jax", "jaxlib", "optax", "keras", "tensorflow-cpu"),
    *("scikit-learn", "threadpoolctl"),
)
SETTINGS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "AMISS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"),
)
"""The variables that set a library's threads; NPROC is XLA's."""

TRIAD_BYTES = 512 << 20
"""Of all three arrays together, unless four times the last cache is less."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Give every library as many threads, and the process as many cores. Call it before any is imported.

    XLA makes as many threads as there are cores for the process, whatever is asked, so that the cores are
    limited too. With that nobody can have more than the others.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    for name in SETTINGS:
        os.environ[name] = str(count)
    os.environ["KERAS_BACKEND"] = "jax"  # compiled whole, with its gradient: the fastest of Keras' backends
    os.environ["JAX_ENABLE_X64"] = "1"  # only lets float64 in: float32 stays float32
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def apply_threads(count: int) -> None:
    """Tell the libraries that take it by a call."""
    import threadpoolctl

    import amiss.kernels

    amiss.kernels.threads(count)
    threadpoolctl.threadpool_limits(count)
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(count)


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def last_cache() -> int | None:
    """Return the bytes of the largest cache, or None where they cannot be read."""
    try:
        sizes = [path.read_text() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
        return max(int(size.strip().rstrip("KM")) << (20 if "M" in size else 10) for size in sizes)
    except (OSError, ValueError):
        return None


def versions() -> dict[str, str]:
    """Return the versions of what takes part; "missing" of what is not installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def describe(threads: int) -> dict[str, Any]:
    """Return what the results depend on."""
    import amiss.kernels

    return {
        "processor": processor(),
        "instruction_set": amiss.kernels.instruction_set(),
        "cores": os.cpu_count(),
        "last_cache_bytes": last_cache(),
        "threads": threads,
        "load_average": list(os.getloadavg()),
        "system": platform.platform(),
        "versions": versions(),
    }


def triad(rounds: int = 20, limit: int = TRIAD_BYTES) -> dict[str, Any] | None:
    """Return the bandwidth of a = b + s * c in float64, the best of some rounds; None without PyTorch.

    It counts 24 bytes per element, as STREAM does: a cache line that is fetched because it is written to
    counts for nothing, so that code which writes past the cache can move more than all of it.
    """
    try:
        import torch
    except ImportError:
        return None
    size = min(limit, 4 * 3 * (last_cache() or limit)) // 24
    a, b, c = (torch.full((size,), float(number), dtype=torch.float64) for number in range(3))
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        torch.add(b, c, alpha=3.0, out=a)
        best = min(best, time.perf_counter() - began)
    return {"bytes_per_second": 24 * size / best, "array_bytes": 8 * size, "bytes_per_element": 24}
