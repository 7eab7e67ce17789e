"""`amiss show LOSS`: the card of one loss."""

import json
import math
import re
import shutil
import textwrap
from typing import Any

import click

from amiss.cli.parameters import LossType


@click.command()
@click.argument("loss", type=LossType())
@click.option("--latex", is_flag=True, help="Print value, gradient and Hessian as LaTeX, and nothing else.")
@click.option("--cpp", is_flag=True, help="Print the generated C++ of its kernel, and nothing else.")
@click.option("--peers", "only_peers", is_flag=True, help="Print its names elsewhere and what differs there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(loss: Any, latex: bool, cpp: bool, only_peers: bool, as_json: bool) -> None:
    """Show a loss: formulas, curve, parameters, what to expect, checked properties, and names elsewhere.

    LOSS is any spelling, with parameters if you like: huber, BCELoss, "huber(delta=2)". What --peers
    prints of other libraries is tested against them, as in `amiss show huber --peers`.
    """
    from amiss.explain import card

    if only_peers:
        from amiss.cli.peers import show_peers

        show_peers(loss, as_json)
        return
    if cpp:
        from amiss.codegen.cpp import source_of

        click.echo(source_of(loss), nl=False)
        return
    made = card(loss)
    if as_json:
        click.echo(json.dumps({"schema_version": 1, **made.to_dict()}, indent=2, ensure_ascii=False))
    elif latex:
        for quantity, texts in made.formulas.items():
            click.echo(f"% {quantity}\n{texts['latex']}")
    else:
        click.echo("\n".join(_lines(made, min(shutil.get_terminal_size().columns, 100))))


def _lines(made: Any, width: int) -> list[str]:
    from amiss.plot.terminal import curve

    lines = [*_wrap(made.loss, width, hanging=4), *_wrap(made.summary, width), ""]
    everything = " ".join(texts["text"] for texts in made.formulas.values())
    definitions: dict[str, None] = {}  # each once, whichever quantities use it
    for quantity, texts in made.formulas.items():
        formula, *names = texts["text"].split("\n\n")
        definitions |= dict.fromkeys(names)
        lines += [quantity, *_indented(formula), ""]
    for number, definition in enumerate(definitions):
        lines += ["where"] * (number == 0) + [*_indented(definition), ""]
    if "σ(z)" in everything:
        lines += [*_wrap("σ(z) = 1 / (1 + exp(-z)), the probability of the label 1", width, 4), ""]
    if re.search(r"\bp\[", everything) and "input='logits'" in made.loss:
        lines += [*_wrap("p = softmax(z): p[k] = exp(z[k]) / (exp(z[1]) + ... + exp(z[K]))", width, 4), ""]
    drawing = {"width": max(20, min(48, width - 14)), "height": 7}
    lines += [
        *_wrap(f"value against the {made.curve['about']}", width),
        *curve(made.curve["x"], made.curve["value"], **drawing),
    ]
    lines += ["gradient", *curve(made.curve["x"], made.curve["gradient"], **drawing), ""]
    if made.parameters:
        lines += ["parameters"]
        for row in made.parameters:
            allowed = f", {row['allowed']}" if row["allowed"] else ""
            lines += _wrap(f"{row['name']} = {row['value']!r}{allowed}: {row['meaning']}", width, 4)
        lines += [""]
    lines += [
        "what to expect",
        *_wrap(made.likelihood, width, 4),
        *_wrap(made.baseline["words"], width, 4),
        "",
    ]
    lines += [*_properties(made, width), ""]
    for name in ("lower_bound", "link", "hessian"):
        lines += [f"    {name.replace('_', ' '):<20}{_fact(made.facts[name])}"]
    lines += ["", *_peers(made, width)]
    if made.names:
        given = {name: _given(given) for name, given in made.names.items()}
        lines += ["also called", *_wrap(", ".join(map("".join, given.items())), width, 4), ""]
    lines += [*_wrap(made.use, width), *_wrap(made.avoid, width)]
    return lines + (["", *_wrap(f"Source: {made.source}", width)] if made.source else [])


def _properties(made: Any, width: int) -> list[str]:
    """Return one line for each property, and the witness where it fails."""
    from amiss.cli.properties import mark

    lines = ["properties"]
    for found in made.properties:
        text = found["witness"]["text"] if found["holds"] is False else found["text"]
        lines += _wrap(f"{found['name']:<20}{mark(found['holds']):<5}{text}", width, 4, hanging=25)
    return [*lines, *_wrap(made.checked, width, 4)]


def _peers(made: Any, width: int) -> list[str]:
    lines = []
    for peer in made.peers:
        lines += _wrap(f"{peer['library']:<14}{peer['difference'] or ', '.join(peer['names'])}", width, 4, 14)
    return ["elsewhere", *lines, ""] if lines else []


def _indented(text: str) -> list[str]:
    return [f"    {line.rstrip()}" for line in text.splitlines()]


def _wrap(text: str, width: int, indent: int = 0, hanging: int | None = None) -> list[str]:
    """Wrap a text; lines after the first are set in by `hanging` more."""
    margin = " " * indent
    after = margin + " " * (2 * (indent > 0) if hanging is None else hanging)
    return textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=after, break_on_hyphens=False)


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return "none" if math.isinf(value) else f"{value:.4g}"
    return str(value)


def _given(given: dict[str, Any]) -> str:
    return f" ({', '.join(f'{name}={value!r}' for name, value in given.items())})" if given else ""
