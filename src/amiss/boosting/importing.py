"""Libraries that are not installed unless asked for."""

import importlib
from typing import Any

from amiss.core.errors import BackendError

__all__ = ["require"]


def require(library: str, extra: str) -> Any:
    """Return a module that an extra installs.

    Raises:
        BackendError: it is not installed; the error names the command.
    """
    try:
        return importlib.import_module(library)
    except ImportError as missing:
        raise BackendError(
            f'{library} must be installed; got {missing}. Run: pip install "amiss[{extra}]"'
        ) from missing
