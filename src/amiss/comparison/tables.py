"""CSV: one row an item, one column a feature, one of them the target."""

import csv
import gzip
import math
import os
from array import array
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from amiss.comparison.files import EXPANSION_RULE, expanded_limit, human, is_gzipped, reading, regular_file
from amiss.core.errors import DomainError, ParameterError, suggest

__all__ = ["Table", "read_table"]

_DELIMITERS = ",;\t|"
_LONGEST_LINE = 16 << 20
_SAMPLE = 20
_TARGETS = ("target", "label", "class", "y")


@dataclass(frozen=True, eq=False)
class Table:
    """What a CSV file holds.

    Attributes:
        x: (rows, features), float64.
        y: (rows,), float64 where every cell is a number, else text.
        features: the names of the columns of `x`.
        target: the name of the column `y`.
        last: whether it was taken since it is the last, and not for its name.
    """

    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...]
    target: str
    last: bool = False


def read_table(path: str | os.PathLike[str], target: str | None = None, text_target: bool = False) -> Table:
    r"""Read a table of numbers with one column of targets from a CSV file.

    The delimiter is found among comma, semicolon, tab and bar. The first line is a header if none of its
    cells is a number. The text is UTF-8, with or without a byte order mark, gzipped or not. A column of
    features holds finite numbers only.

    Args:
        path: the file.
        target: the name of the target column, or its number counted from 1; by default the one named
            target, label, class or y, else the last.
        text_target: take the targets as text even if most of them are numbers.

    Raises:
        DomainError: a cell, a line or the file as a whole cannot be used; the message gives line and column.
        ParameterError: there is no such file, or no such column.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "pets.csv"
        >>> _ = file.write_text("mass;ears;pet\n4.5;2;cat\n30;2;dog\n")
        >>> table = read_table(file)
        >>> table.features, table.x.tolist(), table.y.tolist()
        (('mass', 'ears'), [[4.5, 2.0], [30.0, 2.0]], ['cat', 'dog'])
    """
    path = regular_file(path)
    with reading(path):
        try:
            return _read(path, target, text_target)
        except csv.Error as error:
            raise DomainError(f"{path} must be a CSV file; {error}. Check its quotes.") from None


def _read(path: Path, target: str | None, text_target: bool) -> Table:
    sample = list(islice(_lines(path), _SAMPLE))
    delimiter = _delimiter(sample)
    rows = _rows(path, delimiter)
    first, second = next(rows, None), next(rows, None)
    if first is None or second is None:
        raise DomainError(f"{path} must hold at least two lines; it does not. Give a table of data.")
    header = _is_header(path, first[1], second[1])
    names = _names(first[1]) if header else tuple(f"column {n + 1}" for n in range(len(first[1])))
    if len(names) < 2:
        raise DomainError(
            f"{path} must have a column of targets and at least one of features; it has {len(names)} column, "
            f"for no delimiter (comma, semicolon, tab, bar) is in it. Check the file."
        )
    place = _target_place(path, names, target)
    reader = _Reader(path, names, place)
    for line, cells in [second] if header else [first, second]:
        reader.add(line, cells)
    for line, cells in rows:
        reader.add(line, cells)
    return reader.table(text_target)


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, none of them without bound."""
    with open(path, "rb") as raw, gzip.open(raw) if is_gzipped(raw) else nullcontext(raw) as stream:
        number, taken, limit = 0, 0, expanded_limit(os.fstat(raw.fileno()).st_size)
        while line := stream.readline(_LONGEST_LINE + 1):
            number, taken = number + 1, taken + len(line)
            if len(line) > _LONGEST_LINE:
                raise DomainError(
                    f"{path} line {number} must have at most {human(_LONGEST_LINE)}; it has more."
                )
            if taken > limit:
                raise DomainError(f"{path} must expand to at most {EXPANSION_RULE}; it goes on after that.")
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(path), delimiter=delimiter, strict=True)
    return ((reader.line_num, cells) for cells in reader if cells and any(map(str.strip, cells)))


def _delimiter(sample: list[str]) -> str:
    """Choose the delimiter that cuts the first lines into equally many cells, and into most."""

    def merit(delimiter: str) -> tuple[bool, int]:
        counts = [len(cells) for cells in csv.reader(sample, delimiter=delimiter) if cells]
        return len(set(counts)) == 1 and counts[0] > 1, max(counts, default=0)

    return max(_DELIMITERS, key=merit)


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _is_header(path: Path, first: list[str], second: list[str]) -> bool:
    numbers = [_number(cell) is not None for cell in first]
    if not any(numbers):
        return True
    for number, cell, below in zip(numbers, first, second, strict=False):
        if not number and _number(below) is not None:
            raise DomainError(
                f"{path} line 1 must hold names only, or data only; it holds numbers, and {cell[:40]!r} "
                f"over the number {below.strip()}. Mend the line."
            )
    return False


def _names(cells: list[str]) -> tuple[str, ...]:
    return tuple(cell.strip() or f"column {n + 1}" for n, cell in enumerate(cells))


def _target_place(path: Path, names: tuple[str, ...], target: str | None) -> int:
    if target is None:
        usual = [place for place, name in enumerate(names) if name.lower() in _TARGETS]
        return usual[0] if len(usual) == 1 else len(names) - 1
    places = [place for place, name in enumerate(names) if name == target]
    if len(places) == 1:
        return places[0]
    if not places and target.isdecimal() and 1 <= int(target) <= len(names):
        return int(target) - 1
    shown = ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")
    raise ParameterError(
        f"{path}: target must name one column of {shown}; got {target!r}, which "
        f"{'is there twice' if places else 'is not there'}.{suggest(target, names)}"
    )


class _Reader:
    """Collects rows of numbers and the target cells, and says where a cell is wrong."""

    def __init__(self, path: Path, names: tuple[str, ...], place: int) -> None:
        self.path, self.names, self.place = path, names, place
        self.values = array("d")
        self.targets: list[str] = []
        self.lines: list[int] = []

    def add(self, line: int, cells: list[str]) -> None:
        if len(cells) != len(self.names):
            raise DomainError(
                f"{self.path} line {line} must have {len(self.names)} cells, as the first line has; "
                f"it has {len(cells)}. Mend the line."
            )
        self.targets.append(cells.pop(self.place).strip())
        self.lines.append(line)
        try:
            numbers = list(map(float, cells))
        except ValueError:
            numbers = [math.nan]
        if "_" in "".join(cells) or not all(map(math.isfinite, numbers)):
            self._refuse(line, cells)
        self.values.extend(numbers)

    def _refuse(self, line: int, cells: list[str]) -> None:
        names = self.names[: self.place] + self.names[self.place + 1 :]
        for name, cell in zip(names, cells, strict=True):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                raise self._bad_cell(line, name, cell)

    def _bad_cell(self, line: int, name: str, cell: str) -> DomainError:
        given = f"{cell[:40]!r} is not one" if cell.strip() else "it is empty"
        remedy = "Fill it in, or drop the row"
        if cell.strip():
            remedy = "Write 0.5, not 0,5" if "," in cell else "Write text as numbers, or drop the column"
            remedy += ", and keep one header line only" if line == 2 else ""
        return DomainError(
            f"{self.path} line {line} column {name!r} must be a finite number; {given}. {remedy}."
        )

    def table(self, text_target: bool) -> Table:
        rows = len(self.lines)
        x = np.frombuffer(self.values, float).reshape(rows, len(self.names) - 1)
        self._refuse_row_numbers(x)
        features = self.names[: self.place] + self.names[self.place + 1 :]
        name = self.names[self.place]
        last = self.place == len(features) and name.lower() not in _TARGETS
        return Table(x, self._target(text_target), features, name, last)

    def _refuse_row_numbers(self, x: np.ndarray) -> None:
        """Refuse the index column that pandas writes: it would tell the order of the rows."""
        unnamed = self.place != 0 and self.names[0] in ("column 1", "Unnamed: 0")
        if unnamed and len(x) > 2 and x[0, 0] in (0, 1) and (np.diff(x[:, 0]) == 1).all():
            raise DomainError(
                f"{self.path} column 1 must be a feature; it has no name and counts the rows. "
                "Save the table without its index (pandas: index=False)."
            )

    def _target(self, text_target: bool) -> np.ndarray:
        name = self.names[self.place]
        numbers = [_number(cell) for cell in self.targets]
        missing = [not cell or (number is not None and math.isnan(number))
                   for cell, number in zip(self.targets, numbers, strict=True)]  # fmt: skip
        if any(missing):
            row = missing.index(True)
            cell = self.targets[row]
            given = f"it is {cell!r}" if cell else "it is empty"
            raise DomainError(
                f"{self.path} line {self.lines[row]} column {name!r} must hold a target; {given}. "
                "Drop the row."
            )
        text = [number is None or math.isinf(number) for number in numbers]
        if text_target or 2 * sum(text) > len(text):
            return np.array(self.targets)
        if any(text):
            row = text.index(True)
            raise DomainError(
                f"{self.path} line {self.lines[row]} column {name!r} must be a finite number, as most "
                f"targets are; {self.targets[row][:40]!r} is not one. Mend it, or say that they are classes "
                "(task=, --task)."
            )
        return np.array(numbers, dtype=float)
