"""`amiss show LOSS`: the card of one loss."""

import json
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(loss: Any, latex: bool, cpp: bool, as_json: bool) -> None:
    """Show a loss: formula, gradient, parameters, facts, names elsewhere, and its curve.

    LOSS is any spelling, with parameters if you like: huber, BCELoss, "huber(delta=2)".
    """
    from amiss.explain import card

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

    lines = [made.loss, *_wrap(made.summary, width), ""]
    everything = " ".join(texts["text"] for texts in made.formulas.values())
    definitions: dict[str, None] = {}  # each once, whichever quantities use it
    for quantity, texts in made.formulas.items():
        formula, *names = texts["text"].split("\n\n")
        definitions |= dict.fromkeys(names)
        lines += [quantity, *_indented(formula), ""]
    for number, definition in enumerate(definitions):
        lines += ["where"] * (number == 0) + [*_indented(definition), ""]
    if "σ(z)" in everything:
        lines += ["    σ(z) = 1 / (1 + exp(-z)), the probability of the label 1", ""]
    if re.search(r"\bp\[", everything) and "input='logits'" in made.loss:
        lines += ["    p = softmax(z): p[k] = exp(z[k]) / (exp(z[1]) + ... + exp(z[K]))", ""]
    drawing = {"width": max(20, min(48, width - 14)), "height": 7}
    lines += [
        f"value against the {made.curve['about']}",
        *curve(made.curve["x"], made.curve["value"], **drawing),
    ]
    lines += ["gradient", *curve(made.curve["x"], made.curve["gradient"], **drawing), ""]
    if made.parameters:
        lines += ["parameters"]
        for row in made.parameters:
            allowed = f", {row['allowed']}" if row["allowed"] else ""
            lines += _wrap(f"{row['name']} = {row['value']!r}{allowed}: {row['meaning']}", width, 4)
        lines += [""]
    lines += ["facts, each checked by a test"]
    for name, value in made.facts.items():
        lines += [f"    {name.replace('_', ' '):<20}{_fact(name, value)}"]
    names = ", ".join(name if not given else f"{name} {_given(given)}" for name, given in made.names.items())
    lines += ["", "also called", *_wrap(names, width, 4), ""]
    lines += [*_wrap(made.use, width), *_wrap(made.avoid, width), "", *_wrap(f"Source: {made.source}", width)]
    return lines


def _indented(text: str) -> list[str]:
    return [f"    {line.rstrip()}" for line in text.splitlines()]


def _wrap(text: str, width: int, indent: int = 0) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(text, width, initial_indent=margin, subsequent_indent=margin + "  " * (indent > 0))


def _fact(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None and name in ("lipschitz", "smoothness"):
        return "bounded, by no simple formula"
    if isinstance(value, float):
        return "unbounded" if value == float("inf") else f"{value:.4g}"
    return "none" if value is None else str(value)


def _given(given: dict[str, Any]) -> str:
    return "(" + ", ".join(f"{name}={value!r}" for name, value in given.items()) + ")"
