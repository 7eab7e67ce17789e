"""All cases, and how to choose among them."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec

from bench.cases import Case

QUICK_ROWS = 6000


def cases(quick: bool = False) -> list[Case]:
    """Return every case; the last ones only where there is a CUDA device. A quick epoch is shorter."""
    from bench import calls, classes, elementwise, network

    rows = {"rows": QUICK_ROWS} if quick else {}
    found = [*elementwise.cases(), *classes.cases(), *calls.cases(), *network.cases(**rows)]
    if has_cuda():
        found += [*elementwise.cuda_cases(), *classes.cuda_cases()]
    return found


def has_cuda() -> bool:
    """Return whether PyTorch finds a CUDA device."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is one of the patterns, or has one as its first parts or words."""
    ends = ("", "/*", " *")
    return any(fnmatchcase(name, pattern + end) for pattern in patterns for end in ends)
