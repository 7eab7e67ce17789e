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
    import click

    from amiss.cli.group import amiss
    from amiss.core.errors import AmissError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ± shows ?, and no traceback
    try:
        status = amiss.main([word for word in arguments if word != "--debug"], "amiss", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.", debug)
        sys.exit(130)
    except (AmissError, OSError) as error:
        _say(f"Error: {error}", debug)
        sys.exit(2)
    except Exception as error:  # a fault of amiss: no user can do anything with its traceback
        _say(f"Error: {type(error).__name__}: {error}. This is a fault of amiss; --debug shows where.", debug)
        sys.exit(2)


def _say(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
