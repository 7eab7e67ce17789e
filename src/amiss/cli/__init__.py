"""The command `amiss`: results on stdout, all else on stderr, and exit codes that mean something.

0: fine. 1: a threshold was missed. 2: usage, a missing extra, or bad data. 3: some run diverged. 130: Ctrl-C.
"""

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and leave with its exit code; an error is one line, and with --debug a traceback."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        sys.exit(_code(arguments, debug))
    except KeyboardInterrupt:  # also while modules are still being imported
        _say("Interrupted.", debug)
        sys.exit(130)


def _code(arguments: list[str], debug: bool) -> int:
    """Run the command and return its exit code."""
    import click

    from amiss.cli.group import amiss
    from amiss.core.errors import AmissError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± shows ?, and no traceback
    try:
        status = amiss.main([word for word in arguments if word != "--debug"], "amiss", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
    except click.Abort:
        raise KeyboardInterrupt from None
    except (AmissError, OSError) as error:
        _say(f"Error: {error}", debug)
    except Exception as error:  # a fault of amiss: no user can do anything with its traceback
        _say(f"Error: {type(error).__name__}: {error}. This is a fault of amiss; --debug shows where.", debug)
    return 2


def _say(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
