"""`amiss list`: every loss, by family."""

import json

import click

from amiss.naming import catalogue, spellings


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_losses(as_json: bool) -> None:
    """List every loss, with the names it has elsewhere."""
    rows = [
        {
            "name": loss.__name__,
            "family": family,
            "summary": (loss.__doc__ or "").partition("\n")[0].partition(". ")[0].rstrip("."),
            "spellings": list(spellings(loss)),
        }
        for family, losses in catalogue().items()
        for loss in losses
    ]
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "losses": rows}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    wide = console.width >= 90
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("loss", no_wrap=True, style="bold")
    table.add_column("what it is")
    if wide:
        table.add_column("also called")
    for row in rows:
        short = [name for name in row["spellings"] if "." not in name and ":" not in name]
        cells = (row["name"], Text(row["summary"]), Text(", ".join(short[2:5])))
        table.add_row(*cells[: 3 if wide else 2])
    console.print(table)
    click.echo("amiss show LOSS: its formula, gradient, parameters, facts and curve.", err=True)
