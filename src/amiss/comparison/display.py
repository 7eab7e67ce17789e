"""How a comparison looks: as tables of text, in a notebook, as a figure."""

import html
import io
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.comparison.files import counted
from amiss.comparison.results import METRICS
from amiss.comparison.settings import OPTIMIZERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from amiss.comparison.results import Comparison

__all__ = [
    "TEXT_COLUMNS",
    "Sheet",
    "as_html",
    "as_table",
    "as_text",
    "figure",
    "notes",
    "renderables",
    "sheets",
]

_TITLES = {"accuracy": "Accuracy %", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
_CODINGS = {
    "index": "class index",
    "one-hot": "one-hot 0, 1",
    "signs": "one-vs-rest -1, +1",
    "standardised": "standardised",
}


TEXT_COLUMNS = ("Loss", "Output", "Target", "Status", "Data set", "Source", "Licence", "Here")
_WIDE = 70


@dataclass(frozen=True)
class Sheet:
    """A table of text: a title, the heads of the columns, and rows; only the first column is ever wrapped."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _number(value: float, digits: int = 3) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.{digits}g}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.{digits - 1}e}"


def _spread(row: dict[str, Any], name: str, percent: bool, sign: str = "") -> str:
    scale = 0.01 if percent else 1.0
    mean, sd = row[f"{name}_mean"], row[f"{name}_sd"]
    if math.isnan(mean):
        return "-"
    digits = 1 if percent or abs(mean) >= 10 else 2
    text = f"{mean / scale:{sign}.{digits}f}"
    return text if math.isnan(sd) else f"{text} ± {sd / scale:.{digits}f}"


def _status(row: dict[str, Any], planned: int) -> str:
    if row["finished"] == planned:
        return "finished"
    if row["diverged"]:
        return "diverged" if row["diverged"] == planned else f"diverged {row['diverged']}/{planned}"
    return f"{row['finished']} of {planned} done"


def sheets(comparison: "Comparison") -> list[Sheet]:
    """Return the three tables of a comparison: held-out metrics, training, and setup."""
    return [_metrics(comparison), _training(comparison), _setup(comparison)]


def _metrics(comparison: "Comparison") -> Sheet:
    settings, first, *others = comparison.settings, *METRICS[comparison.task]
    percent = first == "accuracy"
    heads = ["Loss", _TITLES[first], *(_TITLES[name] for name in others), "vs best"]
    if settings.reach is not None:
        goal = f"{100 * settings.reach:g}%" if percent else f"RMSE {settings.reach:g}"
        heads.append(f"Epochs to {goal}")
    rows = []
    for number, row in enumerate(comparison.summary()):
        cells = [row["loss"], _spread(row, first, percent)]
        cells += [_spread({**row, f"{name}_sd": math.nan}, name, percent=False) for name in others]
        cells.append("best" if number == 0 and row["finished"] else _spread(row, "difference", percent, "+"))
        if settings.reach is not None:
            cells.append(_reached(row))
        rows.append((*cells, _status(row, settings.repeats)))
    unit = "" if percent else f", in the unit of {comparison.data['target']}"
    return Sheet(f"{comparison.data['name']}: held-out rows{unit}", (*heads, "Status"), tuple(rows))


def _reached(row: dict[str, Any]) -> str:
    if not row["reached"]:
        return "never" if row["finished"] else "-"
    some = f" ({row['reached']}/{row['finished']})" if row["reached"] < row["finished"] else ""
    return _number(row["epochs_to_reach"]) + some


def _training(comparison: "Comparison") -> Sheet:
    columns = {
        "train_loss_own_units": "Own units, training",
        "heldout_loss_own_units": "Own units, held out",
        "baseline_own_units": "Best constant",
        "start_own_units": "Expected start",
        "gradient_norm_start": "First gradient",
        "seconds_per_epoch": "s/epoch",
    }
    if not _has_baselines(comparison):
        columns = {name: head for name, head in columns.items() if name[:4] not in ("base", "star")}
    rows = tuple((row["loss"], *(_number(row[name]) for name in columns)) for row in comparison.summary())
    return Sheet("The loss itself, each in its own units", ("Loss", *columns.values()), rows)


def _has_baselines(comparison: "Comparison") -> bool:
    return any(not math.isnan(constant.value) for constant in comparison.constants)


def _setup(comparison: "Comparison") -> Sheet:
    rates = comparison.rates()
    rows = tuple(
        (
            row["loss"],
            row["output"],
            _CODINGS.get(row["target"], row["target"]),
            _number(rates.get(row["loss"], math.nan)),
        )
        for row in comparison.setup
    )
    return Sheet("Setup", ("Loss", "Output", "Target", "Learning rate"), rows)


def _seeds(comparison: "Comparison") -> str:
    seeds = comparison.settings.seeds
    return f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"


def notes(comparison: "Comparison") -> list[str]:
    """Return what to know before reading anything into the numbers."""
    settings, data = comparison.settings, comparison.data
    seeds = _seeds(comparison)
    spread = ""
    if settings.repeats > 1:
        spread = ", mean ± standard deviation over the seeds (the figure: mean and range)"
    hidden = " and ".join(map(str, settings.hidden)) or "no"
    units = "hidden unit" if settings.hidden == (1,) else "hidden units"
    epochs = counted(settings.epochs, "epoch")
    told = [
        f"Data: {data['source']}; {data['train_rows']} training and {data['test_rows']} held-out rows, "
        f"{counted(data['features'], 'feature')}, {data['scaling']}. Network with {hidden} {units}, "
        f"{epochs} of batches of {settings.batch_size}, {settings.optimizer}; {seeds}, each "
        "with the same first weights and batches for every loss.",
        f"Ranked by held-out {'accuracy' if comparison.metric == 'accuracy' else 'RMSE'}{spread}. "
        "Loss values are in each loss's own units: never compare them between losses.",
    ]
    if settings.learning_rate == "auto":
        seconds = sum(result.seconds for result in comparison.search)
        told.append(
            "Learning rates were searched: each was trained on three quarters of the training rows and "
            f"validated on the other quarter; {counted(len(comparison.search), 'run')}, {seconds:.1f} s."
        )
        told += _at_the_edge(comparison)
    elif len(settings.losses) > 1:
        told.append(
            "One learning rate for all losses. Their gradients differ in scale, so that some may gain from "
            "another one: the learning rate auto searches for each."
        )
    if _has_baselines(comparison):
        told.append(
            "Best constant: the least training loss of an output that is the same for every row. Expected "
            "start: the loss of a network that says nothing yet, since its last layer gives 0."
        )
        told += _below_nothing(comparison)
    told += data["notes"]
    told += [
        f"{result.loss}, seed {result.seed}: {result.message}"
        for result in comparison.runs
        if result.status == "diverged"
    ]
    missing = settings.repeats * len(settings.losses)
    missing -= sum(result.status != "interrupted" for result in comparison.runs)
    if missing:
        are = "is" if missing == 1 else "are"
        told.append(f"The comparison was interrupted: {missing} of its runs {are} missing.")
    return told


def _below_nothing(comparison: "Comparison") -> list[str]:
    """Tell which losses never came below what a constant output costs."""
    told = []
    for loss in comparison.settings.losses:
        constant = comparison.constant(loss)
        results = [result for result in comparison.runs if result.loss == loss and result.epochs]
        seeds = [str(r.seed) for r in results if not min(r.history["loss"]) < constant.value]
        if seeds and not constant.batches and not math.isnan(constant.value):
            of = "seed" if len(seeds) == 1 else "seeds"
            told.append(
                f"{loss}, {of} {', '.join(seeds)}: the mean training loss of an epoch never came below "
                f"{_number(constant.value)}, which the best constant output costs. Measured by this loss the "
                "network is no better than one that ignores its inputs: train for longer, or try another "
                "learning rate."
            )
    return told


def _at_the_edge(comparison: "Comparison") -> list[str]:
    """Tell which learning rates lie at an end of those tried, so that a better one may lie beyond."""
    grid, told = OPTIMIZERS[comparison.settings.optimizer].grid, []
    for end, what in ((max(grid), "largest"), (min(grid), "smallest")):
        losses = [loss for loss, rate in comparison.rates().items() if rate == end]
        if losses:
            told.append(
                f"{', '.join(losses)}: the learning rate {end:g} is the {what} tried; try others by hand."
            )
    return told


def renderables(comparison: "Comparison", width: int) -> Iterator[Any]:
    """Yield the tables and notes for a rich console."""
    from rich.text import Text

    for sheet in sheets(comparison):
        yield Text(sheet.title, style="bold")
        for part in _parts(sheet, width):
            yield as_table(part, width)
            yield Text()
    for note in notes(comparison):
        yield Text(note)


def as_table(sheet: Sheet, width: int) -> "Table":
    """Return a sheet as a table for a rich console of a width."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2 if width >= _WIDE else 1, 0, 0))
    for head, size in zip(sheet.heads, _widths(sheet, width), strict=True):
        justify = "left" if head in TEXT_COLUMNS else "right"
        table.add_column(Text(head), justify=justify, width=size, vertical="bottom")
    for row in sheet.rows:
        table.add_row(*map(Text, row))
    return table


def _parts(sheet: Sheet, width: int) -> list[Sheet]:
    """Cut a sheet that is too wide between its columns; each part begins with the names."""
    gap = 2 if width >= _WIDE else 1
    names, *columns = zip(sheet.heads, *sheet.rows, strict=True)
    words = max(len(word) for name in names for word in name.split())
    start = gap + max(words, min(max(map(len, names)), width // 3))
    parts, used = [[names]], start
    for column in columns:
        size = gap + max(_folded(column[0], 3), *map(len, column[1:]))
        if used + size > width and len(parts[-1]) > 1:
            parts.append([names])
            used = start
        parts[-1].append(column)
        used += size
    return [
        Sheet(sheet.title, heads, tuple(rows)) for heads, *rows in (zip(*part, strict=True) for part in parts)
    ]


def _widths(sheet: Sheet, width: int) -> list[int]:
    """Return column widths at which no word is broken: heads take two lines, or three where it is narrow."""
    gap = 2 if width >= _WIDE else 1
    names, *columns = zip(sheet.heads, *sheet.rows, strict=True)
    longest, word = max(map(len, names)), max(len(word) for name in names for word in name.split())
    for lines in (1, 2, 3):
        others = [max(_folded(head, lines), *map(len, cells)) for head, *cells in columns]
        if longest + sum(others) + gap * (len(columns) + 1) <= width:
            break
    return [max(word, min(longest, width - sum(others) - gap * (len(columns) + 1))), *others]


def _folded(head: str, lines: int) -> int:
    """Return the least width at which a head takes at most so many lines."""
    least = max(map(len, head.split()))
    return next(
        size
        for size in range(least, len(head) + 1)
        if len(textwrap.wrap(head, size)) <= lines or size == len(head)
    )


def as_text(comparison: "Comparison", width: int) -> str:
    """Return tables and notes as plain text of a width."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, legacy_windows=False)
    console.print(comparison)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def as_html(comparison: "Comparison") -> str:
    """Return tables, notes and, with matplotlib, the figure as HTML without any script."""
    parts = []
    for sheet in sheets(comparison):
        heads = "".join(f"<th>{html.escape(head)}</th>" for head in sheet.heads)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in sheet.rows
        )
        caption = html.escape(sheet.title)
        parts.append(
            f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )
    parts += [f"<p>{html.escape(note)}</p>" for note in notes(comparison)]
    try:
        from amiss.plot.curves import svg

        parts.append(svg(figure(comparison)))
    except Exception:  # no matplotlib, or one that cannot draw this: the tables are worth showing
        parts.append("<p>The curves could not be drawn; .plot() says why.</p>")
    return "<div>" + "".join(parts) + "</div>"


def figure(comparison: "Comparison") -> "Figure":
    """Return a figure with three panels over the epochs: loss, held-out metric, gradient norm."""
    import amiss
    from amiss.plot.curves import Panel, draw_panels

    metric, data, settings = comparison.metric, comparison.data, comparison.settings
    percent = 100.0 if metric == "accuracy" else 1.0
    goal = "accuracy, %" if metric == "accuracy" else f"RMSE of {data['target']}"
    panels = [
        Panel("training loss, own units", _series(comparison, "loss", 1.0), log=True),
        Panel(f"held-out {goal}", _series(comparison, f"val_{metric}", percent)),
        Panel("gradient norm, first step", _series(comparison, "gradient_norm", 1.0), log=True),
    ]
    seeds = _seeds(comparison) + (", mean and range from least to greatest" if settings.repeats > 1 else "")
    dotted = "dotted: best constant output; " if _has_baselines(comparison) else ""
    caption = (
        f"{dotted}{data['name']}, {data['train_rows']} training and {data['test_rows']} held-out rows; "
        f"{settings.optimizer}, learning rate {settings.learning_rate}; {seeds}; amiss {amiss.__version__}"
    )
    drawn = draw_panels(panels, caption)
    _mark_baselines(comparison, drawn.axes[0])
    return drawn


def _mark_baselines(comparison: "Comparison", ax: Any) -> None:
    """Draw what the best constant output costs, dotted, in the colour of each loss's curve."""
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    for loss in comparison.settings.losses:
        value = comparison.constant(loss).value
        if loss in colours and math.isfinite(value) and (value > 0.0 or ax.get_yscale() != "log"):
            wide = ax.get_yaxis_transform()
            dots = {"colors": colours[loss], "linestyles": [(0, (1, 3))], "linewidths": 0.9}
            ax.hlines(value, 0.0, 1.0, transform=wide, label=f"{loss}: best constant", zorder=1.5, **dots)


def _series(comparison: "Comparison", name: str, scale: float) -> dict[str, np.ndarray]:
    """Return one array (runs, epochs) for each loss, NaN where a run had ended."""
    series = {}
    for loss in comparison.settings.losses:
        results = [result for result in comparison.runs if result.loss == loss and result.epochs]
        values = np.full((len(results), comparison.settings.epochs), np.nan)
        for line, result in zip(values, results, strict=True):
            line[: result.epochs] = scale * np.asarray(result.history[name])
        series[loss] = values
    return series
