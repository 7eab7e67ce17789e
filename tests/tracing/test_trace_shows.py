"""What a trace shows: the quantities in order, the one place where the loss enters, and what changes."""

import io
import json

import numpy as np
import pytest

import amiss
from amiss.core.errors import DomainError, DTypeError, ParameterError, ShapeError
from amiss.network import SGD, Adam, Dense, Network
from amiss.plot.style import save_figure

MARK = "HERE THE LOSS ENTERS, and nowhere else"
FORWARD = ["x", "z1", "a1", "z2", "a2"]
LOSS = ["y", "error", "item losses", "loss"]
BACKWARD = ["dL/da2", "da2/dz2", "dL/dz2", "dL/dW2", "dL/db2"]
BACKWARD += ["dL/da1", "da1/dz1", "dL/dz1", "dL/dW1", "dL/db1"]
UPDATE = [f"{what} {name}" for name in ("W1", "b1", "W2", "b2") for what in ("change of", "new")]


def network(last="identity"):
    return Network([Dense(4, 3, "sigmoid"), Dense(3, 3, last)], seed=0)


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 4)), rng.integers(3, size=6)


def traced(loss="ce", **more):
    return amiss.trace(network(), loss, *data(), **more)


# --- steps ---------------------------------------------------------------------------------------------
def test_every_quantity_is_there_in_order():
    names = [step.name for step in traced().steps]
    assert names == [*FORWARD, *LOSS, *BACKWARD, *UPDATE, "loss after"]


def test_the_loss_enters_once():
    assert [step.name for step in traced().steps if step.entrance] == ["dL/da2"]


def test_every_derivative_has_a_check():
    assert all(step.check is not None for step in traced().steps if step.part == "backward")


def test_the_network_stays_as_it_is():
    made = network()
    before = made.parameters.copy()
    amiss.trace(made, "ce", *data(), add=1, swap="mse", nudge="W1[0,0]+=1")
    assert np.array_equal(made.parameters, before)
    assert made.parameters.dtype == np.float32


@pytest.mark.parametrize("optimizer", [SGD(0.5), SGD(0.1, momentum=0.9), Adam(0.1)])
def test_the_new_weights_are_those_of_a_step_of_fit(optimizer):
    made = Network([Dense(4, 3, "sigmoid"), Dense(3, 3)], seed=0, dtype="float64")
    trace = amiss.trace(made, "ce", *data(), optimizer=optimizer)
    made.fit(*data(), loss=amiss.CrossEntropy(), optimizer=optimizer, batch_size=6, shuffle=False)
    for name, weight in zip(("W1", "b1", "W2", "b2"), made.weights, strict=True):
        np.testing.assert_allclose(trace[f"new {name}"].value, weight, rtol=0, atol=1e-15)


def test_scaled_inputs_are_shown_scaled():
    made = Network([Dense(2, 1)], seed=0, scale=1 / 255)
    trace = amiss.trace(made, "mse", np.array([[255, 51]], np.uint8), [[1.0]])
    np.testing.assert_allclose(trace["x"].value, [[1.0, 0.2]])
    assert trace.passed


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ("ce", "mean over 6 rows"),
        ("mse", "mean over 18 numbers (6 rows × 3)"),
        ("dice", "one number for all 6 rows together"),
        ("rmse", "one number for all 6 rows together"),
        ("ce(class_weight=(1, 2, 3))", "by weights that add up to"),
        ("0.5*ce + dice", "the sum of terms, each with a mean of its own"),
    ],
)
def test_it_is_said_over_what_is_averaged(loss, told):
    x, y = data()
    trace = amiss.trace(network(), loss, x, np.eye(3)[y] if loss in ("mse", "rmse") else y)
    assert told in trace["dL/da2"].note


# --- beside it -----------------------------------------------------------------------------------------
def test_with_another_loss_the_forward_pass_is_the_same_and_no_derivative_by_a_weight_is():
    trace = traced(swap="mse")
    same = {step.name for step in trace.steps if trace.same(step)}
    assert same == {*FORWARD, "da1/dz1", "da2/dz2"}


@pytest.mark.parametrize("swap", ["mse", "bce", "hinge", "dice", "kl", "cosine", "rmse", "ce"])
def test_class_indices_become_what_the_other_loss_takes(swap):
    assert traced(swap=swap).passed


@pytest.mark.parametrize("swap", ["ce", "bce", "mse"])
def test_signs_become_what_the_other_loss_takes(swap):
    x, y = data()
    assert amiss.trace(network(), "hinge", x, 2 * np.eye(3)[y] - 1, swap=swap).passed


def test_a_constant_changes_the_loss_and_nothing_else():
    trace = traced(add=1000)
    assert float(trace["loss"].value) == float(trace.plain["loss"].value) + 1000
    different = [s.name for s in trace.steps if not np.array_equal(s.value, trace.plain[s.name].value)]
    assert different == ["loss", "loss after"]
    assert trace.passed
    assert "largest change of a weight        0\n" in trace.text()


def test_a_nudge_predicts_what_happens():
    nudge = traced(nudge=" W2[0, 1] += 1e-5 ").nudge
    assert nudge.happened == pytest.approx(nudge.predicted, rel=1e-4)
    assert nudge.gradient == traced()["dL/dW2"].value[0, 1]


def test_a_nudge_down_is_minus_a_nudge_up():
    up, down = (traced(nudge=f"b1[2]{sign}=1e-6").nudge.happened for sign in "+-")
    assert up == pytest.approx(-down, rel=1e-4)


@pytest.mark.parametrize(
    ("nudge", "told"),
    [
        ("W3[0,0]+=1", "must move one of W1, b1, W2, b2; got 'W3'"),
        ("w2[0,0]+=1", "Did you mean 'W2'?"),
        ("W2[0]+=1", "a place of W2, [0..2, 0..2]; got [0]"),
        ("W1[4,0]+=1", "a place of W1, [0..3, 0..2]; got [4, 0]"),
        ("W2[0,-1]+=1", "as in W2[0,1]+=0.1"),
        ("W2[0,0]*=1", "as in W2[0,1]+=0.1"),
        ("W2[0,0]+=one", "as in W2[0,1]+=0.1"),
        ("W2[0,0]+=nan", "must add a finite number"),
        ("W2[0,0]+=__import__('os')", "as in W2[0,1]+=0.1"),
        ("", "as in W2[0,1]+=0.1"),
        (1, "as in W2[0,1]+=0.1"),
    ],
)
def test_a_nudge_that_is_none_is_refused(nudge, told):
    with pytest.raises(ParameterError) as error:
        traced(nudge=nudge)
    assert told in str(error.value)


# --- text, Markdown, JSON, picture ---------------------------------------------------------------------
def test_the_entrance_is_marked_in_words():
    lines = traced().text().splitlines()
    marked = [number for number, line in enumerate(lines) if MARK in line]
    assert len(marked) == 1
    assert lines[marked[0] + 1].startswith("==> ∂L/∂a₂")


@pytest.mark.parametrize("more", [{}, {"swap": "mse", "add": 1000, "nudge": "W1[0,0]+=0.1"}])
@pytest.mark.parametrize("rows", [None, 3, "all"])
def test_text_fits_80_columns(more, rows):
    assert max(map(len, traced(**more).text(rows).splitlines())) <= 80


def test_a_row_is_shown_and_all_rows_are_if_asked():
    trace = traced(row=2)
    numbers = [f"{number:.4g}" for number in trace["a1"].value[:, 0]]
    assert numbers[2] in trace.text()
    assert numbers[0] not in trace.text()
    assert all(number in trace.text("all") for number in numbers)


def test_what_is_the_same_is_dim_and_says_so():
    from amiss.tracing.text import lines

    dim = [text for text, style in lines(traced(swap="mse")) if style == "dim"]
    assert sum("the same" in text for text in dim) == len([*FORWARD, "da1/dz1", "da2/dz2"])
    assert not any("∂L/∂W" in text for text in dim)


def test_markdown_is_one_table_with_the_mark():
    table = [line for line in traced(swap="mse").markdown().splitlines() if line.startswith("| ")]
    assert len(table) == 2 + len(traced().steps)
    assert {line.count(" | ") for line in table} == {4}
    assert sum(MARK in line for line in table) == 1


def test_plain_data_is_json_and_complete():
    plain = json.loads(json.dumps(traced(swap="mse", nudge="b2[0]-=1").to_dict(), allow_nan=False))
    assert [step["name"] for step in plain["steps"]] == [step.name for step in traced().steps]
    assert plain["steps"][1]["same"] is True
    assert plain["nudge"]["by"] == -1.0
    assert plain["swapped"]["loss"] == "SquaredError"
    assert plain["passed"] is True


def test_a_loss_that_is_infinite_is_null_in_plain_data():
    made = Network([Dense(1, 1, "sigmoid")], dtype="float64")
    made.weights = [[[1000.0]], [0.0]]
    trace = amiss.trace(made, "bce(input='probabilities')", [[1.0]], [[0.0]])
    assert trace["loss"].value == np.inf
    assert json.loads(json.dumps(trace.to_dict(), allow_nan=False))["steps"][-1]["value"] is None


def test_the_picture_shows_the_entrance_and_every_gradient():
    ax = traced().plot()
    texts = [text.get_text() for text in ax.texts]
    assert "the loss\nenters here" in texts
    assert {"∂L/∂a₂", "∂L/∂z₂", "∂L/∂a₁", "∂L/∂z₁"} < set(texts)


def test_the_picture_goes_to_given_axes():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert traced().plot(ax) is ax


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_picture_has_the_same_bytes_each_time(kind):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save_figure(traced().plot().figure, file, kind)
    assert files[0].getvalue() == files[1].getvalue()


def test_no_text_of_the_picture_overlaps_another():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    trace = amiss.trace(
        Network([Dense(64, 32, "relu"), Dense(32, 10, "tanh")], seed=0),
        "rmse",
        np.random.default_rng(0).normal(size=(3, 64)),
        np.random.default_rng(1).normal(size=(3, 10)),
    )
    ax = trace.plot()
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in ax.texts if text.get_text()]
    pairs = [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[:n]
        if a.shrunk(0.9, 0.7).overlaps(b.shrunk(0.9, 0.7))
    ]
    assert pairs == []


# --- what is refused -----------------------------------------------------------------------------------
X, Y = data()
REFUSED = {
    "model": ((None, "ce", X, Y), {}, ParameterError, "model must be a Network"),
    "loss": ((network(), "cee", X, Y), {}, ParameterError, "Did you mean 'ce'?"),
    "loss class": ((network(), amiss.Hinge, X, Y), {}, ParameterError, "loss must be a loss such as"),
    "linear": ((network(), amiss.LinearCrossEntropy(), X, Y), {}, ParameterError, "loss must be a loss"),
    "x": ((network(), "ce", X[:, :3], Y), {}, ShapeError, "x must have shape (items, 4)"),
    "rows": ((network(), "ce", X, Y[:3]), {}, ShapeError, "the same rows"),
    "empty": ((network(), "ce", X[:0], Y[:0]), {}, ShapeError, "one or more"),
    "nan": ((network(), "ce", X * np.nan, Y), {}, DomainError, "x must hold finite numbers"),
    "text": ((network(), "ce", X, "a"), {}, DTypeError, "y must hold real numbers"),
    "label": ((network(), "ce", X, Y + 1), {}, DomainError, "class index in 0..2"),
    "one output": ((Network([Dense(4, 1)]), "mse", X, X[:, 0]), {}, ShapeError, "Write y[:, None]"),
    "row": ((network(), "ce", X, Y), {"row": 6}, ParameterError, "row must be one of 0 .. 5; got 6"),
    "add": ((network(), "ce", X, Y), {"add": np.inf}, ParameterError, "add must be a finite number"),
    "optimizer": ((network(), "ce", X, Y), {"optimizer": "adam"}, ParameterError, "SGD(...) or Adam(...)"),
    "weights": ((network(), "ce", X, Y), {"weights": {}}, ParameterError, "must be None for a model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused(case):
    arguments, given, kind, told = REFUSED[case]
    with pytest.raises(kind) as error:
        amiss.trace(*arguments, **given)
    assert told in str(error.value)


def test_an_unknown_step_is_refused():
    with pytest.raises(ParameterError, match=r"Did you mean 'dL/dW1'\?"):
        traced()["dL/dw1"]


def test_an_unknown_row_is_refused():
    with pytest.raises(ParameterError, match=r"rows must be 'all' or one of 0 \.\. 5; got 9"):
        traced().text(9)
