"""`amiss data`: what data there are, and how to get them."""

import sys
from collections.abc import Iterator
from typing import Any

import click

__all__ = ["data"]


@click.group(invoke_without_command=True)
@click.option("--data-dir", type=click.Path(), help="Where downloaded data sets are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def data(ctx: click.Context, data_dir: str | None, as_json: bool) -> None:
    """List data sets: what each one is, and whether it is here or how to get it."""
    ctx.obj = data_dir
    if ctx.invoked_subcommand is not None:
        return
    from rich.console import Console

    from amiss.cli.output import emit, emit_json
    from amiss.comparison import data_sets

    rows = data_sets(data_dir)
    if as_json:
        emit_json({"schema_version": 1, "data": rows})
        return
    emit(*_tables(rows, Console().width), *(f"{row['name']}: {row['get']}" for row in rows if row["get"]))


def _tables(rows: list[dict[str, Any]], width: int) -> Iterator[Any]:
    from amiss.comparison.display import Sheet, as_table

    facts = [
        (row["name"], row["rows"], row["features"], row["classes"] or "-", row["source"], row["present"])
        for row in rows
    ]
    cells = tuple((*map(str, row[:-1]), "yes" if row[-1] else "no") for row in facts)
    yield as_table(Sheet("", ("Data set", "Rows", "Features", "Classes", "Source", "Here"), cells), width)
    yield ""
    about = tuple((f"{row['name']}: {row['title']}", row["licence"]) for row in rows)
    yield as_table(Sheet("", ("Data set", "Licence"), about), width)
    yield ""


@data.command()
@click.argument("name")
@click.option(
    "--data-dir", type=click.Path(), help="Where to put it.  [default: $AMISS_DATA_DIR, or a cache]"
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.pass_obj
def fetch(outer: str | None, name: str, data_dir: str | None, quiet: bool) -> None:
    """Download the data set NAME: mnist or fashion. Nothing is downloaded unless you ask for it here."""
    from amiss.cli.progress import files_shown
    from amiss.comparison import fetch as fetch_files

    with files_shown(quiet) as progress:
        folder = fetch_files(name, data_dir or outer, progress=progress)
    click.echo(folder)
    if not quiet:
        print(f"Use it:  amiss compare --data {name}", file=sys.stderr)
