"""A data set is split and scaled without a look at its held-out rows."""

import numpy as np
import pytest

from amiss.comparison.data import from_arrays
from amiss.core.errors import AmissError, DomainError, DTypeError, ParameterError, ShapeError


def grid(rows=40, features=3):
    return np.arange(rows * features, dtype=float).reshape(rows, features)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b"] * 20, "classification"),
        ([True, False] * 20, "classification"),
        ([1.0, 3.0] * 20, "classification"),
        (list(range(20)) * 2, "classification"),
        (list(range(40)), "regression"),
        ([0.5, 1.0] * 20, "regression"),
    ],
)
def test_the_task_is_inferred_by_the_documented_rule(y, task):
    assert from_arrays(grid(), y).task == task


def test_the_task_can_be_said():
    assert from_arrays(grid(), [1, 2] * 20, task="regression").task == "regression"
    assert from_arrays(grid(), [0.5, 1.5] * 20, task="classification").classes == ("0.5", "1.5")
    with pytest.raises(ParameterError, match="Did you mean 'regression'"):
        from_arrays(grid(), [1, 2] * 20, task="regresion")


def test_classes_are_numbered_from_zero_in_order_of_their_values():
    data = from_arrays(grid(4), [7, 5, 7, 5])
    assert data.classes == ("5", "7")
    assert data.y_train.dtype == np.int64
    assert sorted(np.concatenate([data.y_train, data.y_test])) == [0, 0, 1, 1]


def test_the_split_holds_out_a_quarter_of_each_class():
    y = np.repeat([0, 1, 2], [40, 8, 2])
    data = from_arrays(grid(50), y)
    assert np.bincount(data.y_test).tolist() == [10, 2, 1]
    assert np.bincount(data.y_train).tolist() == [30, 6, 1]


def test_no_row_is_on_both_sides():
    data = from_arrays(np.arange(100), np.arange(100) % 2)
    assert len(np.unique(np.concatenate([data.x_train, data.x_test]))) == 100


def test_a_sorted_set_is_shuffled():
    data = from_arrays(grid(200), np.repeat([0, 1], 100))
    assert (np.diff(data.y_train) != 0).sum() > 50
    assert (np.diff(data.y_train[:20]) != 0).sum() > 3


def test_the_split_depends_on_its_seed_only():
    x, y = grid(), [0, 1] * 20
    same, again, other = (from_arrays(x, y, seed=seed) for seed in (1, 1, 2))
    assert same.fingerprint == again.fingerprint != other.fingerprint


def test_the_split_is_the_same_on_every_machine():
    data = from_arrays(np.arange(8), np.arange(8), test=None, task="regression")
    raw = np.random.PCG64(0).random_raw(8)
    assert data.x_test[:, 0].argsort().tolist() == np.argsort(np.argsort(raw)[:2]).argsort().tolist()


def test_a_class_with_one_row_stays_in_the_training_part_and_is_reported():
    data = from_arrays(grid(9), ["common"] * 8 + ["rare"])
    assert 1 in data.y_train
    assert 1 not in data.y_test
    assert data.notes == ("No row is held out of rare: too few rows.",)


def test_scaling_looks_at_training_rows_only():
    x = np.array([[0.0], [4.0], [100.0], [200.0]])
    data = from_arrays(x[:2], [0, 1], (x[2:], [0, 1]))
    assert data.x_train.tolist() == [[-1.0], [1.0]]
    assert data.x_test.tolist() == [[49.0], [99.0]]


def test_a_regression_keeps_the_unit_of_its_target():
    data = from_arrays(grid(), np.arange(40) * 10.0)
    assert data.y_train.mean() == pytest.approx(0)
    assert data.y_train.std() == pytest.approx(1)
    own = np.sort(np.concatenate([data.y_train, data.y_test]) * data.target_sd + data.target_mean)
    np.testing.assert_allclose(own, np.arange(40) * 10.0, atol=1e-9)


def test_pixels_are_divided_by_the_greatest_value():
    pixels = np.full((8, 16), 51, np.uint8)
    data = from_arrays(pixels, [0, 1] * 4)
    assert data.scaling == "pixels / 255"
    assert data.x_train[0, 0] == np.float32(0.2)


def test_few_columns_of_bytes_are_a_table():
    data = from_arrays(np.arange(16, dtype=np.uint8).reshape(8, 2), [0, 1] * 4)
    assert "standardised" in data.scaling


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e300, 5e-324])
def test_a_constant_column_becomes_zero(constant):
    x = grid()
    x[:, 1] = constant
    data = from_arrays(x, [0, 1] * 20)
    assert (data.x_train[:, 1] == 0).all()
    assert (data.x_test[:, 1] == 0).all()


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_columns_of_any_size_are_standardised(size):
    data = from_arrays(grid() * size, [0, 1] * 20)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, rtol=1e-5)


def test_images_are_flattened_and_a_single_column_is_a_feature():
    assert from_arrays(np.zeros((8, 4, 4), np.uint8), [0, 1] * 4).x_train.shape == (6, 16)
    assert from_arrays(np.arange(8), [0, 1] * 4).x_train.shape == (6, 1)


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        from_arrays(grid(), [0, 1] * 20).x_train[0] = 1


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (grid(3), [0, 1, 0], DomainError, "at least 4 rows; it has 3"),
        (grid(4), [0, 1, 0], ShapeError, "4 rows and 3 targets"),
        (grid(4), np.eye(4), ShapeError, "one-hot"),
        (grid(4), [1, 1, 1, 1], DomainError, "two classes at least; all are 1"),
        (grid(4), [0.5] * 4, DomainError, "nothing to learn"),
        (grid(4), ["a", "b", "c", "d"], DomainError, "two rows, so that one can be held out"),
        (np.array([[1.0], [np.nan], [2.0], [3.0]]), [0, 1, 0, 1], DomainError, r"\[1, 0\] is nan"),
        (np.array([[1.0], [np.inf], [2.0], [3.0]]), [0, 1, 0, 1], DomainError, "inf"),
        (grid(4), [0.5, np.nan, 1, 2], DomainError, r"targets must be finite numbers; the one at \[1\]"),
        (grid(4).astype(object), [0, 1, 0, 1], DTypeError, "object"),
        (grid(4) * 1j, [0, 1, 0, 1], DTypeError, "complex"),
        (grid(4), np.zeros(4, "M8[s]"), DTypeError, "numbers or text"),
        (np.empty((0, 3)), [], ShapeError, r"\(0, 3\)"),
        (np.empty((4, 0)), [0, 1, 0, 1], ShapeError, r"\(4, 0\)"),
        (3.0, [1], ShapeError, r"shape \(\)"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        from_arrays(x, y)


def test_text_is_no_target_of_a_regression():
    with pytest.raises(DomainError, match="got text such as 'a'"):
        from_arrays(grid(4), ["a", "b", "a", "b"], task="regression")


def test_a_test_part_must_fit():
    with pytest.raises(ShapeError, match="got 2 and 3"):
        from_arrays(grid(4, 3), [0, 1, 0, 1], (grid(4, 2), [0, 1, 0, 1]))


def test_a_held_out_value_beyond_float32_is_refused():
    x = np.array([[0.0], [1e-30], [0.0], [1e300]])
    with pytest.raises(DomainError, match="'mass' must have values of like size; 1e\\+300"):
        from_arrays(x[:2], [0, 1], (x[2:], [0, 1]), features=["mass"])


def test_every_error_is_one_of_ours():
    rng = np.random.default_rng(0)
    kinds = [float, int, bool, "U3", np.uint8, object]
    for _ in range(300):
        x = rng.integers(0, 3, rng.integers(0, 6, rng.integers(0, 4))).astype(rng.choice(kinds[:5]))
        y = rng.integers(0, 3, rng.integers(0, 6, rng.integers(0, 3))).astype(rng.choice(kinds))
        try:
            data = from_arrays(x, y)
        except AmissError:
            continue
        assert np.isfinite(data.x_train).all()
        assert np.isfinite(data.x_test).all()
