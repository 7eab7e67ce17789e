"""`amiss show LOSS --peers`: the names of a loss elsewhere, and what differs there."""

import shutil
import textwrap
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from amiss.cli.output import emit, emit_json
from amiss.core.errors import ParameterError
from amiss.explain.peers import peers, spelled

__all__ = ["show_peers"]


def show_peers(loss: Any, as_json: bool) -> None:
    """Print a table of differences and the spellings, or one JSON document."""
    parts = getattr(loss, "parts", ((1.0, loss),))
    kind = type(parts[0][1])
    if len(parts) > 1 or not hasattr(kind, "parameters"):
        raise ParameterError(
            f"show --peers: loss must be one of the catalogue; got {loss!r}. Show its terms one by one."
        )
    told, names = peers(kind), spelled(kind)
    if as_json:
        emit_json(
            {
                "schema_version": 1,
                "loss": kind.__name__,
                "peers": [asdict(peer) for peer in told],
                "spellings": [asdict(spelling) for spelling in names],
            }
        )
        return
    if not told and not names:
        emit(f"No other library is known to have {kind.__name__}.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(kind.__name__)
    table.add_column("What differs there")
    for peer in told:
        table.add_row(peer.library, peer.difference)
    emit(table, "What amiss.get takes these spellings for, and their parameters:")
    width = min(shutil.get_terminal_size().columns, 100)
    for spelling in names:
        emit(spelling.name, *_wrapped("; ".join([spelling.loss, *spelling.words]), width))


def _wrapped(text: str, width: int) -> list[str]:
    margin = " " * 4
    return textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)
