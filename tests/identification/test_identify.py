"""What `identify` says beside the name: signs, readings, printed numbers, functions, files, errors."""

import json
import time

import numpy as np
import pytest
from click.testing import CliRunner
from identification_code import CLASS, TUTORIAL

import amiss
from amiss import identify
from amiss.cli.identifying import identify as command


def test_a_lone_error_has_several_readings_the_plain_one_first():
    found = identify("a - y")
    said = [(type(one.loss).__name__, one.activation, one.factor) for one in found.candidates]
    assert said == [
        ("SquaredError", "identity", 0.5),
        ("BinaryCrossEntropy", "sigmoid", 1.0),
        ("CrossEntropy", "softmax", 1.0),
        ("Poisson", "exp", 1.0),
    ]
    assert "It is also that of the cross-entropy through softmax" in found.sentence


def test_code_that_shows_the_activation_leaves_one_reading():
    found = identify("a = sigmoid(x @ w)\ndw = x.T @ (a - y)")
    assert [type(one.loss).__name__ for one in found.candidates] == ["BinaryCrossEntropy"]


def test_the_printed_mse_of_the_thread_is_related_to_what_is_minimised():
    printed = {number.name: number.relation for number in identify(TUTORIAL).printed}
    mse = printed["mse"]
    assert "the code does not define mean_squared_error" in mse
    assert "2 times the loss whose gradient this is if N counts all numbers of the target" in mse
    assert "2/K times the loss whose gradient this is (K outputs for each item) if N counts the items" in mse
    assert "where it has a ½ too" in mse
    assert "metric" in printed["acc"]


@pytest.mark.parametrize(
    ("definition", "count", "said"),
    [
        ("((p - t)**2).sum() / (2*p.size)", "len(y)", "1/K times the loss whose gradient this is"),
        ("((p - t)**2).sum() / (2*p.size)", "y.size", "it is the loss whose gradient this is"),
        ("np.mean((p - t)**2)", "y.size", "it is 2 times the loss whose gradient this is"),
        ("np.mean((p - t)**2)", "len(y)", "2/K times the loss whose gradient this is"),
        ("np.mean(np.abs(p - t))", "len(y)", "another function than the loss whose gradient this is"),
    ],
)
def test_the_codes_own_definitions_are_used(definition, count, said):
    code = f"def mean_squared_error(p, t):\n    return {definition}\n{TUTORIAL.replace('/ N', f'/ {count}')}"
    mse = next(number for number in identify(code).printed if number.name == "mse")
    assert said in mse.relation
    assert "if N counts" not in mse.relation


def test_a_metric_of_another_loss_is_said_to_be_one():
    code = "a = sigmoid(x @ w)\nmse = np.mean((a - y)**2)\ndw = x.T @ (a - y) / len(y)"
    found = identify(code)
    assert isinstance(found.loss, amiss.BinaryCrossEntropy)
    assert "another function than the loss whose gradient this is, a metric only" in found.printed[0].relation


@pytest.mark.parametrize(
    ("code", "factor", "said"),
    [
        ("e = y - a\nd = e * a * (1 - a)\nW += lr * A1.T @ d", 0.5, "added, which goes down"),
        ("e = y - a\nd = e * a * (1 - a)\nW -= lr * A1.T @ d", -0.5, "the loss grows"),
        ("e = y - a\nd = e * a * (1 - a)\ng = A1.T @ d\nW += lr * g", -0.5, "that goes down, as it should"),
        ("e = y - a\nd = e * a * (1 - a)\ng = A1.T @ d\nW = W - lr * g", -0.5, "the loss grows"),
        ("e = a - y\nd = e * a * (1 - a)\ng = A1.T @ d\nW = W + lr * g", 0.5, "the loss grows: subtract it"),
        ("y - a", -0.5, "Its sign is flipped: it points downhill"),
    ],
)
def test_signs_are_read_with_the_update(code, factor, said):
    found = identify(code)
    assert found.factor == factor
    assert said in found.sentence


def test_a_slope_by_the_probability_is_said_to_be_one():
    found = identify("p = sigmoid(X @ w)\ngrad = (p - y) / (p * (1 - p))\nw -= lr * X.T @ grad")
    assert found.loss == amiss.BinaryCrossEntropy(input="probabilities")
    assert "multiply by the derivative of sigmoid" in found.sentence
    assert "objective of a booster" in identify("(p - y) / (p * (1 - p))").sentence


def test_a_loss_that_is_no_gradient_is_said_to_be_one():
    assert "is the value of the squared error, not its gradient" in identify("(p - y)**2").sentence


def test_a_parameter_may_be_a_name():
    found = identify("np.clip(p - t, -delta, delta)")
    assert (type(found.loss), found.names) == (amiss.Huber, {"delta": "delta"})
    assert "delta = the code's delta" in found.sentence


@pytest.mark.parametrize(
    ("function", "loss", "factor", "activation"),
    [
        (lambda p, y: 2 * (p - y), amiss.SquaredError(), 1.0, "identity"),
        (lambda p, y: (p - y) * p * (1 - p), amiss.SquaredError(), 0.5, "sigmoid"),
        (lambda p, y: np.clip(p - y, -0.7, 0.7), amiss.Huber(0.7), 1.0, "identity"),
        (lambda p, y: np.where(p < y, -0.8, 0.2), amiss.Pinball(0.8), 1.0, "identity"),
        (lambda p, y: (1 / (1 + np.exp(-p)) - y, 1 + 0 * p), amiss.BinaryCrossEntropy(), 1.0, "sigmoid"),
        (lambda p, y: 3 * np.expm1(-0.5 * (p - y)), amiss.Linex(-0.5), -6.0, "identity"),
    ],
)
def test_a_function_is_named(function, loss, factor, activation):
    found = identify(function)
    assert (found.loss, found.activation) == (loss, activation), found.sentence
    assert found.factor == pytest.approx(factor, rel=1e-9)


def test_every_gradient_of_the_catalogue_is_recognised():
    rng = np.random.default_rng(5)
    p, y = rng.uniform(0.1, 0.9, (6, 3)), np.eye(3)[rng.integers(0, 3, 6)]
    for family in amiss.catalogue().values():
        for kind in family:
            if kind in (amiss.Dice, amiss.CosineDistance):  # of whole batches of classes, and of directions
                continue
            loss = kind()
            labels = 2 * y - 1 if kind in (amiss.Hinge, amiss.SquaredHinge) else y
            reduction = "mean" if kind is amiss.RootMeanSquaredError else "sum"
            found = identify(lambda p, y, loss=loss, by=reduction: loss.gradient(p, y, reduction=by))
            assert found.loss is not None, f"{loss}: {found.sentence}"
            named = found.factor * found.loss.gradient(p, labels, reduction=reduction)
            np.testing.assert_allclose(
                named, loss.gradient(p, labels, reduction=reduction), rtol=1e-9, err_msg=repr(loss)
            )


def test_a_function_without_a_loss_is_not_named():
    found = identify(lambda p, y: (p - y) ** 3)
    assert found.loss is None
    assert found.facts == {"convex": True, "zero_at_perfection": True, "negative_somewhere": False}
    assert not identify(lambda p, y: p * np.roll(p, 1, axis=-1) - y).is_gradient


def test_explicit_names_settle_what_is_compared():
    assert identify("(p - q) * p * (1 - p)", prediction="p", target="q").loss == amiss.SquaredError()
    assert identify("q - p", prediction="p", target="q").factor == -0.5


def test_a_file_is_read(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(CLASS)
    assert identify(path).loss == amiss.BinaryCrossEntropy()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("p - q", "Say which they are: prediction='...', target='...'"),
        ("x = 3", "must have a line that compares"),
        ("import os; os.system('true')", "must have a line that compares"),
        ("(a - y", "must be written as Python is"),
        ("(" * 500 + "a - y" + ")" * 500, "identify: code must be"),
        ("a - y" + " + 1" * 30_000, "characters at most"),
        (5, "must be text"),
        (lambda p: p, "must be a function of .prediction, target."),
        (
            lambda p, y: float(np.sum(p[:1, :1])) + np.zeros(7),
            "must return a gradient of the prediction's shape",
        ),
    ],
)
def test_what_cannot_be_read_is_a_clear_error(source, message):
    with pytest.raises(amiss.ParameterError, match=message):
        identify(source)


def test_a_missing_name_is_suggested():
    with pytest.raises(
        amiss.ParameterError, match="must be a name of the code; got 'y_trian'\\. Did you mean 'y_train'"
    ):
        identify("A2 - y_train", target="y_trian")


def test_nothing_is_ever_run(tmp_path):
    marker = tmp_path / "ran"
    identify(f"open({str(marker)!r}, 'w').write('x')\n__import__('os').system('touch {marker}')\nd = a - y")
    assert not marker.exists()


def test_huge_numbers_and_endless_calls_do_not_hang():
    began = time.perf_counter()
    for code in (
        "def f(a):\n    return f(a)\nd = f(a) - y",
        "(a - y) * 9**9**9**9",
        "d = (a - y) * 10**100000",
        "d = 'x' * 10**10\ng = a - y",
    ):
        try:
            identify(code)
        except amiss.ParameterError:
            continue
    assert time.perf_counter() - began < 30.0


def test_the_command_prints_the_sentence_and_exits_with_0(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(TUTORIAL)
    done = CliRunner().invoke(command, [str(path)])
    assert done.exit_code == 0
    assert "half the squared error" in done.output
    assert "1/(2*N)" in done.output
    piped = CliRunner().invoke(command, ["-", "--json"], input=TUTORIAL)
    document = json.loads(piped.output)
    assert document["schema_version"] == 1
    assert (document["loss"], document["factor"]) == ("SquaredError()", "1/(2*N)")


def test_the_command_exits_with_1_where_nothing_is_recognised():
    done = CliRunner().invoke(command, ["(p - y)**3"])
    assert done.exit_code == 1
    assert "(p - y)**4/4" in done.output.replace("\n", " ")


def test_the_command_keeps_to_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    printed = CliRunner().invoke(command, ["a - y"]).output
    sentence = printed.partition("\n\n")[0]
    assert max(map(len, sentence.splitlines())) <= 58
    assert len(sentence.splitlines()) > 1
