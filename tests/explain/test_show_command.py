"""`amiss show`: everything about one loss, at any width."""

import json
import unicodedata

import pytest

from amiss.cli import main


@pytest.fixture
def amiss(capsys, monkeypatch):
    def run(*words, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("loss", ["mse", "ce", "CrossEntropyLoss", "bce", "linex", "hinge"])
def test_no_line_is_wider_than_the_terminal(amiss, loss, columns):
    code, out, err = amiss("show", loss, columns=columns)
    assert (code, err) == (0, "")
    for line in out.splitlines():
        assert sum(unicodedata.combining(sign) == 0 for sign in line) <= columns


def test_the_parts_come_in_order(amiss):
    _, out, _ = amiss("show", "huber(delta=2)")
    heads = ["Huber(delta=2.0)", "value", "gradient", "hessian", "parameters", "what to expect", "properties",
             "elsewhere", "also called"]  # fmt: skip
    lines = out.splitlines()
    places = [lines.index(head) for head in heads]
    assert places == sorted(places)
    words = " ".join(out.split())
    assert "Lipschitz yes the gradient is at most 2" in words
    assert "SmoothL1Loss(beta) is this divided by beta." in words
    assert words.rindex("Use it ") < words.rindex("Avoid it ") < words.rindex("Source: Huber (1964)")


def test_a_property_that_fails_shows_its_witness(amiss):
    _, out, _ = amiss("show", "mae")
    words = " ".join(out.split())
    assert (
        "differentiable NO at prediction = target = 0 the slope is -1 to the left and +1 to the right"
        in words
    )


def test_the_document_has_what_the_text_has(amiss):
    code, out, _ = amiss("show", "ce", "--json")
    document = json.loads(out)
    assert (code, document["schema_version"]) == (0, 1)
    assert document["baseline"]["start"] == pytest.approx(1.0986, abs=1e-4)
    assert [one["library"] for one in document["peers"]] == [
        "PyTorch", "Keras", "optax", "scikit-learn", "XGBoost", "LightGBM", "CatBoost",
    ]  # fmt: skip
    assert {"facts", "names", "curve", "likelihood", "properties", "checked"} <= set(document)


def test_latex_is_latex_and_nothing_else(amiss):
    _, out, _ = amiss("show", "mse", "--latex")
    assert out.splitlines()[0] == "% value"
    assert "properties" not in out


def test_an_expression_is_shown(amiss):
    code, out, _ = amiss("show", "sqrt((prediction-target)**2 + c**2) - c, c=0.5")
    assert code == 0
    assert "the largest curvature met is 2" in out
    assert "also called" not in out


def test_a_peers_name_of_a_loss_with_a_narrow_domain(amiss):
    assert amiss("show", "keras.losses.Poisson")[0] == 0
