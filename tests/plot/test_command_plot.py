"""`amiss plot`: pictures in files, errors in one line."""

import re

import pytest

from amiss.cli import main
from amiss.cli.plotting import USUAL

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def amiss(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["plot", *words])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.parametrize("against", USUAL)
def test_every_kind_of_picture_needs_no_more_than_its_name(amiss, tmp_path, against):
    code, out, err = amiss("--against", against)
    (path,) = tmp_path.iterdir()
    assert (code, out, err) == (0, "", f"Picture: {path.name}\n")
    assert path.name.endswith(f"-{against}.png")


@pytest.mark.parametrize("kind", MAGIC)
def test_the_ending_says_the_kind(amiss, tmp_path, kind):
    assert amiss("mse", "-o", f"a.{kind}")[0] == 0
    assert (tmp_path / f"a.{kind}").read_bytes().startswith(MAGIC[kind])


def test_the_name_says_what_is_drawn(amiss, tmp_path):
    amiss("mse", "huber(delta=2)")
    assert (tmp_path / "SquaredError-Huber-delta-2-prediction.png").exists()


@pytest.mark.parametrize("kind", MAGIC)
def test_a_picture_is_drawn_again(amiss, tmp_path, kind):
    amiss("mse", "-o", f"a.{kind}")
    first = (tmp_path / f"a.{kind}").read_bytes()
    assert amiss("mae", "-o", f"a.{kind}")[0] == 0
    assert (tmp_path / f"a.{kind}").read_bytes() != first


def test_a_file_that_is_no_picture_of_this_command_stays(amiss, tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    code, _, err = amiss("mse", "-o", "a.png")
    assert code == 2
    assert "is no picture of this command" in err
    assert (tmp_path / "a.png").read_bytes() == b"mine"


def test_nothing_else_is_left_in_the_folder(amiss, tmp_path):
    amiss("mse", "-o", "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_a_title_is_written_as_it_is(amiss, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    titles = []
    monkeypatch.setattr(Figure, "suptitle", lambda figure, text, **options: titles.append((text, options)))
    amiss("mse", "--title", r"$\frac{")
    assert titles[0][0] == r"$\frac{"
    assert titles[0][1]["parse_math"] is False


def test_text_that_looks_like_mathematics_is_drawn(amiss):
    assert amiss("mse", "--title", r"$\frac{")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mse", "ce"], "must take the same kind of prediction"),
        (["mse", "-o", "a.jpg"], "must end in one of .pdf, .png, .svg"),
        (["mse", "-o", "none/a.png"], "there is no folder none"),
        (["mse", "-o", "."], "must end in one of"),
        (["mse", "--accuracy"], "--accuracy must be given with --against line"),
        (["ce", "--against", "line", "--hessian"], "--hessian must be given with"),
        (["mse", "--target", "1,2"], "--target must be one number"),
        (["mse", "--target", "one"], "must be numbers as in 2 or"),
        (["mse", "--against", "lines"], "is not one of"),
        (["mse", "mae", "--against", "two-outputs"], "must be given one loss; got 2"),
        (["ce", "mse", "--against", "line"], "must take the same outputs and targets"),
        (["ce", "--against", "one-weight", "--weight", "W1"], "a layer, a row and a column"),
        (["ce", "--against", "one-weight", "--weight", "W1[7,7]"], "a row and a column of W1"),
        (["mse", "--against", "one-weight", "--data", "diabetes"], "must have classes"),
        (["mse", "--against", "line", "--accuracy", "--data", "diabetes"], "data with classes"),
        (["mse", "--range", "2", "1"], "two finite numbers, the lower first"),
        (["poison"], "Did you mean 'Poisson'"),
    ],
    ids=" ".join,
)
def test_mistakes_end_with_2_and_say_what_to_do(amiss, tmp_path, words, told):
    code, out, err = amiss(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_the_help_has_an_example_of_each_kind(amiss):
    _, out, _ = amiss("--help")
    assert all(re.search(rf"^ +{against} +\w", out, re.MULTILINE) for against in USUAL)
    assert "amiss plot mse mae" in out
