"""`amiss show LOSS --peers`: what differs at other libraries, and their spellings."""

import json

import pytest
from losses_under_test import classes

from amiss.cli import main


@pytest.fixture
def show(capsys, monkeypatch):
    def run(*words, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main(["show", *words])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def test_what_differs_and_what_a_spelling_stands_for_is_printed(show):
    code, out, err = show("huber", "--peers")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert "SmoothL1Loss(beta) is this divided by beta." in words
    assert "lightgbm.huber Huber(delta=0.9); alpha is delta" in words
    assert "properties" not in out


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("mse", "optax.l2_loss 0.5 * SquaredError"),
        ("mse", "a weighted mean is divided by N, not by the weights"),
        ("cosine", "CosineSimilarity is this minus 1"),
        ("bce", "clips both ends at 1e-7"),
        ("bce", "from_logits=True is input='logits', epsilon=0.0; axis changes nothing"),
        (
            "Poisson",
            "log_input=True is input='log_rate'; log_input=False is input='rate'; full must be False",
        ),
        ("linex", "No other library is known to have Linex."),
    ],
)
def test_factors_signs_weighted_means_and_clipping_are_told(show, loss, said):
    assert said in " ".join(show(loss, "--peers")[1].split())


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("loss", classes(), ids=lambda loss: loss.__name__)
def test_it_fits_the_terminal(show, loss, columns):
    code, out, _ = show(loss.__name__, "--peers", columns=columns)
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns


def test_the_document_has_both(show):
    document = json.loads(show("torch.nn.SmoothL1Loss", "--peers", "--json")[1])
    assert (document["schema_version"], document["loss"]) == (1, "Huber")
    assert document["peers"][0]["library"] == "PyTorch"
    assert {"name": "lightgbm.huber", "loss": "Huber(delta=0.9)", "words": ["alpha is delta"]} in document[
        "spellings"
    ]


def test_a_sum_is_refused(show):
    code, _, err = show("mse + mae", "--peers")
    assert code == 2
    assert "Show its terms one by one." in err
