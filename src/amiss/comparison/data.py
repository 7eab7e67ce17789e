"""A data set as a network takes it: split, scaled, and checked."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from amiss.comparison.files import counted
from amiss.core.errors import DomainError, DTypeError, ParameterError, ShapeError, suggest

__all__ = ["TASKS", "DataSet", "from_arrays"]

TASKS = ("classification", "regression")
_MOST_CLASSES = 20
_TEST_SHARE = 0.25
_FEWEST_ROWS = 4

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Training and held-out rows, ready for a network.

    Attributes:
        name: what the set is called.
        source: where it came from.
        task: ``"classification"`` or ``"regression"``.
        x_train: (rows, features), float32, scaled as `scaling` says.
        y_train: (rows,), int64 class indices 0 .. K-1, or float64 targets, standardised.
        x_test: the held-out inputs, scaled with the numbers of the training rows.
        y_test: the held-out targets.
        scaling: how the inputs were scaled.
        classes: the names of the K classes, or None for regression.
        features: the names of the columns, or None where they are pixels.
        target: what the targets are.
        target_mean: mean of the training targets in their own unit (regression).
        target_sd: their standard deviation: an error of 1 in `y_test` is one of `target_sd` in that unit.
        notes: what the reader should know about this split.
    """

    name: str
    source: str
    task: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    scaling: str
    classes: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    target: str = "target"
    target_mean: float = 0.0
    target_sd: float = 1.0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<DataSet {self.describe()}>"

    def describe(self) -> str:
        """Return one line: name, task, rows, features, and classes or target."""
        kind = counted(len(self.classes), "class") if self.classes else f"target {self.target}"
        rows = f"{len(self.x_train)} + {len(self.x_test)} rows"
        return f"{self.name}: {self.task}, {rows}, {counted(self.x_train.shape[1], 'feature')}, {kind}"

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any number in the set."""
        digest = hashlib.blake2b(digest_size=8)
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{array.shape} {array.dtype.str} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def validation(self) -> "DataSet":
        """The training rows alone: three quarters of them, with the last quarter in the place of the test."""
        groups = self.y_train if self.classes else np.zeros(len(self.y_train), int)
        train, held = _split(groups, 0)
        if len(held) == 0:
            raise DomainError(
                f"{self.name} must have more rows, so that some can validate; it has {len(train)}."
            )
        return replace(
            self,
            name=f"{self.name}, training rows",
            x_train=_frozen(self.x_train[train]),
            y_train=_frozen(self.y_train[train]),
            x_test=_frozen(self.x_train[held]),
            y_test=_frozen(self.y_train[held]),
        )


def from_arrays(
    x: ArrayLike,
    y: ArrayLike,
    test: Pair | None = None,
    *,
    name: str = "arrays",
    source: str = "arrays in memory",
    task: str | None = None,
    target: str = "target",
    classes: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    brightest: float | None = None,
    seed: int = 0,
) -> DataSet:
    """Make a data set of arrays: infer the task, split off held-out rows, scale.

    The task, if it is not said: text and truth values are classes; whole numbers are classes where there
    are at most 20 different ones; all else is regression.

    Without a `test` part a quarter of the rows is held out, of each class its quarter, chosen by `seed`
    alone. Pixels (arrays of bytes with 16 columns or more, or where `brightest` is given) are divided by the
    greatest possible value; other inputs, and the targets of a regression, are standardised with the mean and
    the standard deviation of the training rows. A constant column becomes 0.

    Args:
        x: (rows, ...) numbers; axes beyond the first are flattened. (rows,) is one feature.
        y: (rows,) or (rows, 1) classes or numbers.
        test: held-out inputs and targets, where the set comes with its own split.
        name: what the set is called.
        source: where it came from.
        task: ``"classification"`` or ``"regression"``.
        target: what the targets are.
        classes: names of the classes, in the order of their values in `y`.
        features: names of the columns of `x`.
        brightest: the greatest value that a pixel can have.
        seed: chooses the held-out rows; it has nothing to do with any seed of training.

    Raises:
        ShapeError: inputs and targets do not go together.
        DTypeError: the inputs are no numbers.
        DomainError: a value is not finite, or there are too few rows or classes.
        ParameterError: the task is unknown.

    Examples:
        Training targets 1 and 3 have mean 2 and standard deviation 1:

        >>> x, x_test = [[0.0], [4.0]], [[2.0], [2.0]]
        >>> data = from_arrays(x, [1.0, 3.0], test=(x_test, [2.0, 5.0]), task="regression")
        >>> data.y_test.tolist(), data.target_mean, data.target_sd
        ([0.0, 3.0], 2.0, 1.0)
        >>> data.x_train.tolist()
        [[-1.0], [1.0]]
    """
    x, y = _matrix(x, name), _column(y, name)
    _same_length(x, y, name)
    rows = len(x)
    if test is not None:
        x_test, y_test = _matrix(test[0], name), _column(test[1], name)
        _same_length(x_test, y_test, name)
        if x_test.shape[1] != x.shape[1]:
            raise ShapeError(
                f"{name}: test inputs must have the features of the training inputs; "
                f"got {x_test.shape[1]} and {x.shape[1]}. Check the arrays."
            )
        x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    if len(x) < _FEWEST_ROWS:
        raise DomainError(f"{name} must have at least {_FEWEST_ROWS} rows; it has {len(x)}. Give more data.")

    task = _task(y, task, name)
    names = None
    if task == "classification":
        y, names = _indices(y, classes, name)
    else:
        y = _finite(y, name, "targets")
    if test is None:
        train, held = _split(y if task == "classification" else np.zeros(len(y), int), seed)
    else:
        train, held = np.arange(rows), np.arange(rows, len(x))
    _check_split(y, train, held, name)

    scaled, scaling = _scaled(x, train, brightest, features, name)
    notes, centre, spread = (), 0.0, 1.0
    if task == "regression":
        y, centre, spread = _standardised(y[:, None], train)
        y, centre, spread = y[:, 0], float(centre[0]), float(spread[0])
    else:
        notes = _lone_classes(y, held, names)
    return DataSet(
        name=name,
        source=source,
        task=task,
        x_train=_frozen(scaled[train]),
        y_train=_frozen(y[train]),
        x_test=_frozen(scaled[held]),
        y_test=_frozen(y[held]),
        scaling=scaling,
        classes=names,
        features=tuple(map(str, features)) if features is not None else None,
        target=target,
        target_mean=centre,
        target_sd=spread,
        notes=notes,
    )


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _matrix(x: ArrayLike, name: str) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise DTypeError(f"{name}: inputs must be real numbers; got type {x.dtype}. Convert them.")
    if x.ndim == 0 or x.size == 0:
        raise ShapeError(f"{name}: inputs must be rows of features; got shape {x.shape}. Give some data.")
    return x.reshape(len(x), -1)


def _column(y: ArrayLike, name: str) -> np.ndarray:
    y = np.asarray(y)
    if y.dtype.kind not in "biufUS":
        raise DTypeError(f"{name}: targets must be numbers or text; got type {y.dtype}. Convert them.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ShapeError(
            f"{name}: targets must have shape (rows,); got {y.shape}. Give class indices, not one-hot rows."
        )
    return y


def _same_length(x: np.ndarray, y: np.ndarray, name: str) -> None:
    if len(x) != len(y):
        raise ShapeError(
            f"{name} must have one target for each row of inputs; got {len(x)} rows and {len(y)} targets. "
            "Check that the arrays belong together."
        )


def _task(y: np.ndarray, task: str | None, name: str) -> str:
    if task is None:
        return "classification" if _are_classes(y) else "regression"
    if task not in TASKS:
        raise ParameterError(f"task must be one of {', '.join(TASKS)}; got {task!r}.{suggest(task, TASKS)}")
    if task == "regression" and y.dtype.kind in "US":
        raise DomainError(
            f"{name}: targets of a regression must be numbers; got text such as {str(y[0])!r}. "
            "Say that they are classes (task=, --task), or name another target (target=, --target)."
        )
    return task


def _are_classes(y: np.ndarray) -> bool:
    if y.dtype.kind in "bUS":
        return True
    whole = np.isfinite(y).all() and (y == np.floor(y)).all()
    return bool(whole) and len(np.unique(y)) <= _MOST_CLASSES


def _indices(y: np.ndarray, names: Sequence[str] | None, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class indices 0 .. K-1 and the names of the classes."""
    if y.dtype.kind == "f":
        _finite(y, name, "targets")
    values, indices = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise DomainError(f"{name}: targets must be of two classes at least; all are {values[0]!s}.")
    if names is None:
        return indices.astype(np.int64), tuple(_label(value) for value in values.tolist())
    if len(names) != len(values):
        raise ParameterError(f"{name}: classes must name {len(values)} classes; got {len(names)} names.")
    return indices.astype(np.int64), tuple(map(str, names))


def _label(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _finite(values: np.ndarray, name: str, what: str) -> np.ndarray:
    """Return the values as float64; raise if one of them is NaN or infinite."""
    values = values.astype(float)
    if not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0].tolist()
        raise DomainError(
            f"{name}: {what} must be finite numbers; the one at {place} is {values[tuple(place)]}. "
            "Drop or fill such rows."
        )
    return values


def _shuffled(count: int, seed: int) -> np.ndarray:
    """Return an order of 0 .. count-1 that is the same in every version of NumPy."""
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def _split(groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a quarter of the rows; of each group a quarter, one at least, and never its last row."""
    order = _shuffled(len(groups), seed)
    group = groups[order]
    counts = np.bincount(group)
    quota = np.where(counts > 1, np.maximum(1, np.rint(_TEST_SHARE * counts)), 0)
    by_group = np.argsort(group, kind="stable")
    place = np.empty(len(order), int)
    place[by_group] = np.arange(len(order)) - (np.cumsum(counts) - counts)[group[by_group]]
    held = place < quota[group]
    train = order[~held]
    return train[_shuffled(len(train), seed)], order[held]


def _check_split(y: np.ndarray, train: np.ndarray, held: np.ndarray, name: str) -> None:
    if len(held) == 0:
        raise DomainError(
            f"{name}: some class must have two rows, so that one can be held out; none has. "
            "If this is a regression, say so (task=, --task)."
        )
    if (y[train] == y[train][0]).all():
        raise DomainError(
            f"{name}: training targets must differ; all are {y[train][0]}. There is nothing to learn."
        )


def _lone_classes(y: np.ndarray, held: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    missing = sorted(set(range(len(names))) - set(y[held].tolist()))
    if not missing:
        return ()
    shown = ", ".join(names[index] for index in missing[:5]) + (", ..." if len(missing) > 5 else "")
    return (f"No row is held out of {shown}: too few rows.",)


def _scaled(
    x: np.ndarray, train: np.ndarray, brightest: float | None, features: Sequence[str] | None, name: str
) -> tuple[np.ndarray, str]:
    """Return the inputs as float32 near 1, and how they got there."""
    if brightest is None and x.dtype == np.uint8 and x.shape[1] >= 16:
        brightest = 255
    if brightest is not None:
        return np.divide(x, np.float32(brightest), dtype=np.float32), f"pixels / {brightest:g}"
    x = _finite(x, name, "inputs")
    with np.errstate(over="ignore"):
        scaled = _standardised(x, train)[0].astype(np.float32)
    if not np.isfinite(scaled).all():
        row, column = np.argwhere(~np.isfinite(scaled))[0].tolist()
        what = repr(features[column]) if features else f"number {column + 1}"
        raise DomainError(
            f"{name}: feature {what} must have values of like size; {x[row, column]:g} is too far from the "
            "training rows for float32. Check that value."
        )
    return scaled, "standardised with mean and sd of the training rows"


def _standardised(values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (values - mean) / sd by column, mean and sd; sd is 1 where the training rows are constant."""
    exponent = np.frexp(np.abs(values[train]).max(axis=0))[1]
    size = np.ldexp(1.0, exponent - 1)  # a power of two: squares neither overflow nor vanish, digits stay
    values = values / size
    known = values[train]
    constant = known.min(axis=0) == known.max(axis=0)
    mean = np.where(constant, known[0], known.mean(axis=0))
    sd = np.where(constant, 1.0, known.std(axis=0))
    return (values - mean) / sd, mean * size, sd * size
