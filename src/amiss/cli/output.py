"""What goes to stdout: the result, in one piece."""

import os
import sys
from typing import Any

from rich.console import Console

__all__ = ["emit", "emit_json"]


class _Output(Console):
    """A console whose reader may go away, as `head` does."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        _discard()


def emit(*renderables: Any) -> None:
    """Print text as it is, and tables; colour only on a terminal, and not with NO_COLOR."""
    console = _Output(highlight=False)
    for renderable in renderables:
        console.print(renderable, markup=False, emoji=False)


def emit_json(document: Any) -> None:
    """Print one JSON document."""
    import json

    try:
        print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), flush=True)
    except BrokenPipeError:
        _discard()


def _discard() -> None:
    """Send what is still buffered for stdout nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
