"""A trace in text: lines with a style each for a terminal, and a page in Markdown."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from amiss.core.errors import ParameterError
from amiss.tracing.steps import Trace, TraceStep

__all__ = ["lines", "markdown"]

HEADINGS = {
    "forward": "FORWARD: from the data to the prediction; no loss in sight",
    "loss": "LOSS: how wrong the prediction is, in one number",
    "backward": "BACKWARD: the chain rule, in which no loss occurs",
    "update": "UPDATE: every weight moves against its derivative",
}
ENTERS = "HERE THE LOSS ENTERS, and nowhere else"
PARTS_THAT_LEARN = {"backward": "largest change of a derivative", "update": "largest change of a weight"}
CELL, MOST_ROWS = 10, 8

Line = tuple[str, str]
"""A line of text and its style: "", "bold", "dim", "reverse", "green" or "red"."""


def lines(trace: Trace, rows: int | str | None = None, width: int = 80) -> list[Line]:
    """Return the trace as lines, each with a style that says no more than the line."""
    rows = _rows(trace, rows)
    shown = "all are shown" if rows == "all" else f"row {rows} is shown"
    found = [("One step of backpropagation", "bold"), *_wrapped(f"through {trace.model}", width)]
    found += _wrapped(f"loss: {trace.loss}; {trace.rows} rows, of which {shown}", width)
    if trace.swapped is not None:
        found += _wrapped(f"beside it, after |: {trace.swapped.loss}; grey is the same with both", width)
    found += [line for note in trace.notes for line in _wrapped(note, width)]
    part = ""
    for step in trace.steps:
        if step.part != part and not step.entrance and (step.part == "update" or part != "update"):
            part = step.part
            found += [("", ""), (_rule(HEADINGS[part], "─", width), "bold")]
        found += _step(trace, step, rows, width)
        if step.entrance:
            part = ""
    return [*found, *_constant(trace, width), *_nudge(trace, width), *_verdict(trace, width)]


def _rows(trace: Trace, rows: int | str | None) -> int | str:
    rows = trace.row if rows is None else rows
    if rows != "all" and (isinstance(rows, bool | str) or not 0 <= rows < trace.rows):
        raise ParameterError(f"Trace: rows must be 'all' or one of 0 .. {trace.rows - 1}; got {rows!r}.")
    return rows


def _rule(text: str, line: str, width: int) -> str:
    return f"{line * 3} {text} ".ljust(width, line)


def _wrapped(text: str, width: int, indent: str = "", style: str = "") -> list[Line]:
    import textwrap

    return [
        (line, style) for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
    ]


def _step(trace: Trace, step: TraceStep, rows: int | str, width: int) -> Iterator[Line]:
    same = trace.same(step)
    style = "dim" if same else ""
    if step.entrance:
        yield "", ""
        yield _rule(ENTERS, "═", width), "reverse"
    mark = "==> " if step.entrance else ""
    summary = _summary(step.value)
    if len(mark + step.formula) + 2 + len(summary) <= width:
        yield f"{mark}{step.formula}{summary:>{width - len(mark + step.formula)}}", style or "bold"
    else:
        yield from _wrapped(mark + step.formula, width, style=style or "bold")
        yield f"{summary:>{width}}", style
    own = _numbers(step, step.value, rows, width)
    if trace.swapped is None:
        yield from ((line, style) for line in own)
    elif same is None:
        yield from ((line, "") for line in own)
        yield f"    |  {trace.swapped.loss} has none", ""
    elif same:
        yield from ((line, "dim") for line in own[:-1])
        yield f"{own[-1]}  |  the same", "dim"
    else:
        yield from _beside(own, _numbers(step, trace.swapped[step.name].value, rows, width), width)
    if step.note:
        yield from _wrapped(step.note, width, "    ", style)
    for check in (step.check, step.autodiff):
        if check is not None:
            yield from _wrapped(f"check, {check}", width, "    ", style if check.passed else "red")
    if step.entrance:
        yield from _wrapped("Everything below is the same computation for every loss.", width, "    ")
        yield "═" * width, "reverse"


def _beside(own: list[str], other: list[str], width: int) -> Iterator[Line]:
    """Yield two blocks of numbers side by side, or one below the other if they are wide."""
    column = max(map(len, own))
    if column + 5 + max(len(line) - 4 for line in other) <= width:
        for left, right in zip(own, other, strict=True):
            yield f"{left:<{column}}  |  {right.removeprefix('    ')}", ""
    else:
        yield from ((line, "") for line in own)
        yield from ((f"  | {line.removeprefix('    ')}", "") for line in other)


def _summary(value: np.ndarray) -> str:
    if not np.ndim(value):
        return "one number"
    shape = "×".join(map(str, np.shape(value)))
    finite = value[np.isfinite(value)]
    if not finite.size or np.size(value) == 1:
        return shape
    mean = finite.mean() if abs(finite.mean()) > 1e-12 * np.abs(finite).max() else 0.0  # else only rounding
    low, mean, high = (f"{number + 0.0:.3g}" for number in (finite.min(), mean, finite.max()))
    return f"{shape}, {low} to {high}, mean {mean}"


def _numbers(step: TraceStep, value: np.ndarray, rows: int | str, width: int) -> list[str]:
    """Return the numbers of one row, or of all; of what has no rows all of them."""
    if step.by_row and rows != "all":
        return _matrix(np.atleast_2d(value[rows]), [""] * 99, width)
    if step.by_row:
        if value.ndim == 1:
            value = value[:, None]
        labels = [
            f"row {n}" for n in range(len(value)) for _ in range(value.shape[1] if value.ndim == 3 else 1)
        ]
        return _matrix(value.reshape(-1, value.shape[-1]), labels, width, len(labels))
    if not np.ndim(value):
        return [f"    {float(value):{CELL}.7g}"]
    return _matrix(np.atleast_2d(value), [""] * 99, width)


def _matrix(table: np.ndarray, labels: list[str], width: int, most: int = MOST_ROWS) -> list[str]:
    room = max(1, (width - 4 - max(map(len, labels)) - 7) // CELL)
    found = []
    for label, row in zip(labels, table[:most], strict=False):
        cells = "".join(f"{_number(number):>{CELL}}" for number in row[:room])
        more = f"  ... {len(row)}" if len(row) > room else ""
        found.append(f"    {label}{cells}{more}")
    if len(table) > most:
        found.append(f"    ... {len(table)} rows")
    return found


def _number(number: float) -> str:
    text = f"{number + 0.0:.4g}"
    return text if len(text) < CELL else f"{number:.2e}"


def _constant(trace: Trace, width: int) -> Iterator[Line]:
    if trace.plain is None:
        return
    moved = {part: 0.0 for part in PARTS_THAT_LEARN}
    for step in trace.steps:
        if step.part in moved and step.name != "loss after":
            change = np.max(np.abs(step.value - trace.plain[step.name].value), initial=0.0)
            moved[step.part] = max(moved[step.part], float(change))
    before, after = (float(found["loss"].value) for found in (trace.plain, trace))
    yield "", ""
    yield _rule(f"A CONSTANT: L + {trace.add:g}", "─", width), "bold"
    yield f"    {'the loss':<34}{before:.10g} becomes {after:.10g}", ""
    for part, what in PARTS_THAT_LEARN.items():
        yield f"    {what:<34}{moved[part]:.6g}", ""
    told = "Training uses the slope of the loss, not its size."
    yield from _wrapped(
        told if not any(moved.values()) else "A constant changed a derivative.", width, "    "
    )


def _nudge(trace: Trace, width: int) -> Iterator[Line]:
    nudge = trace.nudge
    if nudge is None:
        return
    yield "", ""
    yield _rule(f"A NUDGE: {nudge.text}", "─", width), "bold"
    rows = {
        "derivative of the loss by it": nudge.gradient,
        "change of the loss, predicted": nudge.predicted,
        "change of the loss, happened": nudge.happened,
    }
    for what, number in rows.items():
        yield f"    {what:<34}{number:.6g}", ""
    way = "lower" if nudge.gradient > 0 else "raise"
    told = f"To make the loss smaller, {way} this weight." if nudge.gradient else "The loss is flat here."
    yield from _wrapped(f"{told} The prediction is exact for a vanishing nudge.", width, "    ")


def _verdict(trace: Trace, width: int) -> Iterator[Line]:
    yield "", ""
    for found, whose in (
        (trace, ""),
        (trace.plain, " without the constant"),
        (trace.swapped, " with the other loss"),
    ):
        if found is None:
            continue
        checks = [check for step in found.steps for check in (step.check, step.autodiff) if check is not None]
        if found.wrong is None:
            empty = sum(not check.compared for check in checks)
            rest = f" {empty} had nothing to compare." if empty else ""
            told = f"All {len(checks) - empty} checks{whose} passed.{rest}"
            yield from _wrapped(told, width, style="green")
            continue
        later = [step.name for step in found.steps if not step.passed][1:]
        rest = f" Wrong below it: {', '.join(later)}." if later else ""
        wrong = found.wrong
        formula = f", {wrong.formula}" if wrong.formula != wrong.name else ""
        told = f"WRONG{whose}: the first wrong step is {wrong.name}{formula}.{rest}"
        yield from _wrapped(told, width, style="red")


# --- Markdown ------------------------------------------------------------------------------------------
def markdown(trace: Trace, rows: int | str | None = None) -> str:
    """Return the trace as a page in Markdown: a table, and what was asked for beside it."""
    rows = _rows(trace, rows)
    shown = "all rows" if rows == "all" else f"row {rows} of {trace.rows}"
    found = [
        f"### One step of backpropagation through {trace.model}",
        "",
        f"Loss: `{trace.loss}`; {shown}.",
        "",
    ]
    found += [line for note in trace.notes for line in (note, "")]
    columns = ["quantity", "shape", "numbers", "check"]
    if trace.swapped is not None:
        columns.insert(3, f"with {trace.swapped.loss}")
    found += [_table_row(columns), _table_row(["---"] * len(columns))]
    for step in trace.steps:
        cells = [step.formula, "×".join(map(str, step.shape)) or "1", _cell(step, step.value, rows)]
        if step.entrance:
            cells[0] = f"**{ENTERS}:** {step.formula}"
        if trace.swapped is not None:
            same = trace.same(step)
            other = (
                "none"
                if same is None
                else _cell(step, trace.swapped[step.name].value, rows)
                if not same
                else ""
            )
            cells.append(other or "*the same*")
        checks = [str(check) for check in (step.check, step.autodiff) if check is not None]
        found.append(_table_row([*cells, "; ".join(checks)]))
    rest = [*_constant(trace, 72), *_nudge(trace, 72), *_verdict(trace, 72)]
    text = "\n".join(line for line, _ in rest).strip("\n")
    return "\n".join([*found, "", "```text", text, "```", ""])


def _table_row(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _cell(step: TraceStep, value: np.ndarray, rows: int | str) -> str:
    return "<br>".join(" ".join(line.split()) for line in _numbers(step, value, rows, 80))
