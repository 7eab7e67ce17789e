"""A comparison can be kept, taken up again, and looked at."""

import csv
import json

import numpy as np
import pytest
from comparison.tiny import TINY, without_times
from matplotlib.figure import Figure
from rich.console import Console

import amiss
from amiss.comparison import Comparison, Interrupted, from_arrays, report
from amiss.comparison.display import Sheet
from amiss.core.errors import AmissError, DomainError, ParameterError
from amiss.plot.curves import Panel, draw_curves, draw_panels, svg

LOSSES = ["ce", "mse"]
FILES = ["curves.png", "curves.svg", "events.jsonl", "report.md", "results.csv", "results.json"]


@pytest.fixture(scope="module")
def comparison():
    return amiss.compare(["ce", "mse", "mae", "hinge"], **TINY)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupted_after(count, folder, **options):
    """Compare until some epochs are over, then press Ctrl-C."""

    def interrupt(event):
        nonlocal count
        count -= event["event"] == "epoch"
        if count == 0:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        amiss.compare(LOSSES, **TINY, out=folder, progress=interrupt, **options)
    return caught.value.comparison


class TestFolder:
    def test_all_files_are_there_and_nothing_else(self, comparison, tmp_path):
        assert comparison.save(tmp_path / "a" / "b") == tmp_path / "a" / "b"
        assert names(tmp_path / "a" / "b") == FILES

    def test_pictures_are_the_same_bytes_each_time(self, comparison, tmp_path):
        first, second = comparison.save(tmp_path / "1"), comparison.save(tmp_path / "2")
        for name in ("curves.svg", "curves.png", "report.md", "results.json"):
            assert (first / name).read_bytes() == (second / name).read_bytes()
        assert b"<dc:date>" not in (first / "curves.svg").read_bytes()

    def test_the_document_is_plain_json(self, comparison, tmp_path):
        def refuse(constant):
            raise AssertionError(constant)

        text = (comparison.save(tmp_path) / "results.json").read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=refuse)
        assert document["schema_version"] == 1
        assert document["task"] == "classification"
        assert document["data"]["train_rows"] == 114
        assert [row["loss"] for row in document["setup"]] == list(comparison.settings.losses)
        for run in document["runs"]:
            assert run["status"] in ("finished", "diverged", "interrupted")
            assert run.keys() >= {"loss", "seed", "status", "metrics", "history"}
            assert len(run["history"]["loss"]) == 3
        for row in document["summary"]:
            assert row.keys() >= {"loss", "accuracy_mean", "accuracy_sd", "epochs", "seconds"}

    def test_it_is_read_back_whole(self, comparison, tmp_path):
        assert Comparison.load(comparison.save(tmp_path)).to_dict() == comparison.to_dict()

    def test_events_are_one_line_for_each_epoch(self, comparison, tmp_path):
        lines = (comparison.save(tmp_path) / "events.jsonl").read_text().splitlines()
        events = list(map(json.loads, lines))
        assert len(events) == 4 * 2 * 3
        assert events[0].items() >= {"loss": "CrossEntropy", "seed": 0, "epoch": 1}.items()
        assert events[0]["val_accuracy"] == comparison.runs[0].history["val_accuracy"][0]

    def test_the_table_of_runs(self, comparison, tmp_path):
        with open(comparison.save(tmp_path) / "results.csv", newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 8
        assert float(rows[0]["accuracy"]) == comparison.runs[0].metrics["accuracy"]

    def test_the_report_tells_how_to_repeat_it(self, comparison, tmp_path):
        report = (comparison.save(tmp_path) / "report.md").read_text(encoding="utf-8")
        assert "amiss compare CrossEntropy SquaredError AbsoluteError Hinge --data=iris --hidden=5" in report
        assert "](curves.svg)" in report
        assert "own units" in report

    def test_epochs_are_written_as_they_end(self, tmp_path):
        counts = []

        def look(event):
            if event["event"] == "epoch":
                counts.append(len((tmp_path / "events.jsonl").read_text().splitlines()))

        amiss.compare(LOSSES, **TINY, out=tmp_path, progress=look)
        assert counts == list(range(1, 13))
        assert names(tmp_path) == FILES

    def test_results_are_kept_after_each_run(self, tmp_path):
        runs = []

        def look(event):
            if event["event"] == "run":
                runs.append(len(Comparison.load(tmp_path).runs))

        amiss.compare(LOSSES, **TINY, out=tmp_path, progress=look)
        assert runs == [1, 2, 3, 4]

    def test_results_are_not_overwritten_by_another_comparison(self, tmp_path):
        amiss.compare(LOSSES, **TINY, out=tmp_path)
        with pytest.raises(ParameterError, match=r"without results.*resume"):
            amiss.compare(LOSSES, **TINY, out=tmp_path)

    def test_a_folder_that_cannot_be_made(self, comparison, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(AmissError, match="must be a folder to write to"):
            comparison.save(tmp_path / "file")

    def test_text_from_data_is_escaped_in_the_report(self, tmp_path):
        x, y = np.arange(40.0), np.arange(20.0).repeat(2) / 3
        data = from_arrays(x, y, name="a|b", target="<c>\n`d` $e$")
        folder = amiss.compare(["mse"], data=data, repeats=1, epochs=1).save(tmp_path)
        title = r"## a\|b: held-out rows, in the unit of \<c> \`d\` \$e\$"
        assert title in (folder / "report.md").read_text().splitlines()

    def test_a_cell_with_a_bar_stays_one_cell(self, comparison, monkeypatch):
        monkeypatch.setattr(report, "sheets", lambda _: [Sheet("t", ("Loss", "b"), (("x|y", "1"),))])
        assert r"| x\|y | 1 |" in report.as_markdown(comparison).splitlines()

    def test_a_failed_write_keeps_the_old_file(self, comparison, tmp_path, monkeypatch):
        folder = comparison.save(tmp_path)
        before = (folder / "results.json").read_bytes()

        def fail(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(AmissError, match="No space left"):
            comparison.save(folder)
        assert (folder / "results.json").read_bytes() == before
        assert names(folder) == FILES

    def test_without_matplotlib_there_are_no_pictures(self, comparison, tmp_path, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
        assert names(comparison.save(tmp_path)) == FILES[2:]
        assert "curves" not in (tmp_path / "report.md").read_text()


class TestResume:
    @pytest.mark.parametrize("epochs", [1, 3, 4, 8, 11])
    def test_it_ends_as_if_it_had_not_been_interrupted(self, tmp_path, epochs):
        left = interrupted_after(epochs, tmp_path)
        assert left.status == "interrupted"
        events = []
        resumed = amiss.compare(resume=tmp_path, progress=events.append)
        whole = amiss.compare(LOSSES, **TINY)
        assert without_times(resumed) == without_times(whole)
        assert without_times(Comparison.load(tmp_path)) == without_times(whole)
        assert events[0]["runs"] == 4 - (epochs - 1) // 3
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 12

    def test_a_search_is_resumed_too(self, tmp_path):
        interrupted_after(8, tmp_path, learning_rate="auto")
        resumed = amiss.compare(resume=tmp_path)
        assert without_times(resumed) == without_times(amiss.compare(LOSSES, **TINY, learning_rate="auto"))

    def test_a_killed_process_loses_its_last_run_only(self, tmp_path):
        """After the first run results.json is on the disk; what follows a kill is the same as here."""

        class KilledError(BaseException):
            pass

        def kill(event):
            if event["event"] == "epoch" and event["loss"] == "SquaredError":
                raise KilledError

        with pytest.raises(KilledError):
            amiss.compare(LOSSES, **TINY, out=tmp_path, progress=kill)
        assert len(Comparison.load(tmp_path).runs) == 1
        assert without_times(amiss.compare(resume=tmp_path)) == without_times(amiss.compare(LOSSES, **TINY))

    def test_a_finished_comparison_is_returned_as_it_is(self, tmp_path):
        whole = amiss.compare(LOSSES, **TINY, out=tmp_path)
        assert amiss.compare(resume=tmp_path).to_dict() == whole.to_dict()

    @pytest.mark.parametrize(
        "given", [{"epochs": 7}, {"losses": ["ce"]}, {"seed": 3}, {"data": "wine"}, {"out": "x"}]
    )
    def test_other_settings_are_refused(self, tmp_path, given):
        interrupted_after(4, tmp_path)
        with pytest.raises(ParameterError, match=r"resume|out must not"):
            amiss.compare(**given, resume=tmp_path)

    def test_changed_data_are_refused(self, tmp_path):
        x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
        np.savez(tmp_path / "own.npz", x=x, y=y)
        amiss.compare(LOSSES, data=tmp_path / "own.npz", repeats=1, epochs=1, out=tmp_path / "out")
        np.savez(tmp_path / "own.npz", x=x + (x == 3), y=y)
        with pytest.raises(ParameterError, match="own differs"):
            amiss.compare(resume=tmp_path / "out")

    def test_data_in_memory_must_be_given_again(self, tmp_path):
        data = from_arrays(np.arange(40.0).reshape(20, 2), np.arange(20) % 2)
        whole = amiss.compare(LOSSES, data=data, repeats=1, epochs=1, out=tmp_path)
        with pytest.raises(ParameterError, match="data must be given again"):
            amiss.compare(resume=tmp_path)
        assert amiss.compare(data=data, resume=tmp_path).to_dict() == whole.to_dict()

    def test_a_folder_without_results(self, tmp_path):
        with pytest.raises(ParameterError, match=r"results\.json must be a file; there is nothing"):
            amiss.compare(resume=tmp_path)

    def test_damaged_results(self, comparison, tmp_path):
        path = comparison.save(tmp_path) / "results.json"
        text = path.read_text()
        for length in range(0, len(text), 997):
            path.write_text(text[:length])
            with pytest.raises(DomainError, match=r"results\.json"):
                Comparison.load(tmp_path)
        path.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
        with pytest.raises(DomainError, match=r"it has 99\. Upgrade"):
            Comparison.load(tmp_path)


class TestLooks:
    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_the_table_fits_and_breaks_no_word(self, comparison, width):
        text = comparison.table(width)
        assert max(map(len, text.splitlines())) <= width
        words = set(text.split())
        for loss in comparison.settings.losses:
            assert loss in words
        for word in ("identity", "finished", "gradient", "one-vs-rest", "s/epoch"):
            assert word in words

    @pytest.mark.parametrize("width", [60, 80])
    def test_a_wide_table_is_cut_between_columns(self, width):
        losses = ["mae", "huber(delta=0.123)", "0.5*mse+0.5*mae"]
        options = {"data": "diabetes", "repeats": 3, "epochs": 2, "reach": 70}
        text = amiss.compare(losses, **options).table(width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        words = text.split()
        for word in ("RMSE", "MAE", "R²", "Huber(delta=0.123)", "finished", "s/epoch", "standardised"):
            assert word in words

    def test_it_is_printed_by_rich_too(self, comparison):
        console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        with console.file:
            console.print(comparison)
        assert "CrossEntropy" in console.export_text()

    def test_a_notebook_shows_tables_and_curves_without_a_script(self, comparison):
        page = comparison._repr_html_()
        assert page.count("<table>") == 3
        assert "<svg" in page
        assert "<script" not in page

    def test_text_from_data_is_escaped_in_a_page(self):
        data = from_arrays(np.arange(40.0), np.arange(20.0).repeat(2) / 3, name="<b>", target="<i>")
        page = amiss.compare(["mse"], data=data, repeats=1, epochs=1)._repr_html_()
        assert "<b>" not in page
        assert "&lt;b&gt;" in page

    def test_a_page_without_curves_still_has_its_tables(self, comparison, monkeypatch):
        monkeypatch.setattr("amiss.plot.curves.draw_panels", None)
        page = comparison._repr_html_()
        assert page.count("<table>") == 3
        assert "could not be drawn" in page

    @pytest.mark.parametrize("name", [r"$\frac{$", "a$b$", "$", r"\$x$", "_a"])
    def test_names_are_drawn_as_they_are(self, name):
        figure = draw_panels([Panel(name, {name: np.ones((1, 3)), "b": np.ones((1, 3))})], name)
        svg(figure)
        assert figure.axes[0].get_ylabel() == name
        assert not any(text.get_parse_math() for text in figure.legends[0].get_texts())

    def test_one_of_a_thing_is_singular(self):
        data = from_arrays(np.arange(40.0), np.arange(40) % 2)
        assert "1 feature, 2 classes" in repr(data)
        first = amiss.compare(["ce"], data=data, hidden=1, repeats=1, epochs=1).notes()[0]
        assert "1 feature, " in first
        assert "1 hidden unit, 1 epoch of" in first

    def test_the_figure_has_a_panel_for_each_quantity(self, comparison):
        figure = comparison.plot()
        labels = [ax.get_ylabel() for ax in figure.axes]
        assert "own units" in labels[0]
        assert labels[1] == "held-out accuracy, %"
        assert labels[2] == "gradient norm, first step"
        caption = figure.get_supxlabel()
        assert "iris" in caption
        assert "seeds 0 to 1, mean and range from least to greatest" in caption
        assert any("(the figure: mean and range)" in note for note in comparison.notes())
        assert amiss.__version__ in caption

    def test_curves_are_drawn_where_one_asks(self):
        ax = Figure().subplots()
        ragged = np.array([[3.0, 2.0, 1.0], [3.0, np.nan, np.nan]])
        assert draw_curves(Panel("loss", {"a": ragged}, log=True), ax) is ax
        assert ax.get_yscale() == "log"
        assert ax.get_xlabel() == "epoch"
        cross = next(line for line in ax.lines if line.get_marker() == "x")
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (1, 3.0)

    def test_lines_differ_in_colour_and_in_dashes(self, comparison):
        lines = comparison.plot().axes[0].lines
        assert len({line.get_color() for line in lines}) == 4
        assert len({str(line._unscaled_dash_pattern) for line in lines}) == 4

    def test_curves_without_a_finished_epoch_are_no_obstacle(self):
        diverged = amiss.compare(["ce"], **TINY, optimizer="sgd", learning_rate=1e9)
        assert diverged.status == "diverged"
        diverged.plot()
        assert "diverged" in diverged.table(60)

    def test_its_repr_is_short(self, comparison):
        assert repr(comparison) == (
            "<Comparison of CrossEntropy, SquaredError, AbsoluteError, Hinge on iris, 8 runs, finished>"
        )
