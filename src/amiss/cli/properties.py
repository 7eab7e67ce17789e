"""`amiss properties LOSS`: what holds for a loss, and what does not, with witnesses."""

from typing import Any

import click

from amiss.cli.output import emit, emit_json
from amiss.cli.parameters import LossType

__all__ = ["properties"]


@click.command()
@click.argument("loss", type=LossType())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def properties(ctx: click.Context, loss: Any, as_json: bool) -> None:
    r"""Check the properties of a loss at many points; show a witness where one fails.

    LOSS is any spelling, with parameters if you like: mae, "huber(delta=2)", "0.5*mse + 2*mae".

    Looked at: gradient and Hessian are the derivatives of the value; non-negative; zero at perfection;
    differentiable; monotonic in the distance from the target; smooth (bounded curvature); convex; Lipschitz
    (bounded gradient); symmetric; robust (bounded gradient of a far outlier, redescending or not).

    Exit code 1 says that the loss claims of itself what a witness contradicts.

    \b
    Example:
      amiss properties mae
    """
    from amiss.authoring.properties import properties as look

    found = look(loss)
    if as_json:
        emit_json({"schema_version": 1, **found.to_dict()})
    else:
        _show(found)
    if found.findings:
        ctx.exit(1)


def _show(found: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("Property", "Holds", "What was found"):
        table.add_column(head)
    for one in found:
        table.add_row(one.name, mark(one.holds), Text(one.text))
    emit(Text(found.loss, style="bold"), Text(), table, Text())
    failed = [one for one in found if one.holds is False and one.witness is not None]
    for one in failed:
        emit(Text(f"not {one.name}: {one.witness.text}."))
    emit(*[Text()] * bool(failed), Text(found.basis))
    for one in found.findings:
        said = {True: "yes", False: "no"}[one.claim] if isinstance(one.claim, bool) else f"{one.claim}"
        emit(Text(f"FINDING: the loss claims of {one.name!r}: {said}. {one.text[0].upper()}{one.text[1:]}."))
    unmet = [one for one in found if one.holds is not None and one.claim is not None and one.agrees is None]
    for one in unmet:
        emit(Text(f"The loss is more careful of {one.name!r} than what was met: no witness needs it."))


def mark(holds: bool | None) -> str:
    """Return a mark that is read without colour."""
    return {True: "yes", False: "NO", None: "?"}[holds]
