"""What holds for every kind of picture: labels, legends, files, and nothing left behind."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from plot.pictures import PICTURES, UNLIKE

import amiss
from amiss.core.errors import BackendError, ParameterError
from amiss.plot import draw_losses, save_figure, style

every = pytest.mark.parametrize("name", PICTURES)


@pytest.fixture(scope="module")
def drawn():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    found = {name: draw() for name, draw in PICTURES.items()}
    for panels in found.values():
        FigureCanvasAgg(panels[0].figure).draw()  # the layout is made when a figure is drawn
    return found


@every
def test_axes_say_what_they_show(drawn, name):
    panels = drawn[name]
    assert panels[-1].get_xlabel()
    assert all(panel.get_ylabel() for panel in panels)


@every
def test_the_legend_lies_above_the_curves(drawn, name):
    top = drawn[name][0]
    box = top.get_legend().get_window_extent(top.figure.canvas.get_renderer())
    assert box.y0 >= top.bbox.y1 - 1


@every
def test_nothing_is_cut_off_at_the_edges(drawn, name):
    picture = np.asarray(drawn[name][0].figure.canvas.buffer_rgba())
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge == 255).all()


@every
def test_labels_of_panels_do_not_touch(drawn, name):
    panels = drawn[name]
    renderer = panels[0].figure.canvas.get_renderer()
    boxes = [panel.yaxis.label.get_window_extent(renderer) for panel in panels]
    for above, below in itertools.pairwise(boxes):
        assert above.y0 > below.y1


@pytest.mark.parametrize("name", ["prediction", "probability", "unlike"])
def test_lines_differ_in_colour_and_in_dashes(drawn, name):
    lines = drawn[name][-1].get_legend_handles_labels()[0]
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({f"{line._unscaled_dash_pattern} {line.get_marker()}" for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "svg") for name in PICTURES),
        ("long", "pdf"),
        ("edge", "pdf"),
        ("long", "png"),
        ("edge", "png"),
    ],
)
def test_the_same_call_gives_the_same_bytes(name, kind):
    first, second = io.BytesIO(), io.BytesIO()
    for out in (first, second):
        save_figure(PICTURES[name]()[0].figure, out, kind)
    assert first.getvalue() == second.getvalue()


PROGRAM = """
import hashlib, io, sys
import amiss
from amiss.plot import draw_losses, save_figure
out = io.BytesIO()
save_figure(draw_losses([amiss.SquaredError(), amiss.AbsoluteError()])[0].figure, out, "svg")
print(hashlib.sha256(out.getvalue()).hexdigest(), "matplotlib.pyplot" in sys.modules)
"""


def test_two_processes_write_the_same_bytes_and_use_no_pyplot():
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PATH": "", "HOME": "/tmp", "AMISS_NUM_THREADS": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0][1] == "False"


def test_a_png_has_150_dots_per_inch(tmp_path):
    from PIL import Image

    figure = draw_losses(amiss.SquaredError())[0].figure
    save_figure(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == tuple(round(150 * inches) for inches in figure.get_size_inches())
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_no_date_is_written(kind):
    out = io.BytesIO()
    save_figure(draw_losses(amiss.SquaredError())[0].figure, out, kind)
    assert not any(word in out.getvalue() for word in (b"CreationDate", b"ModDate", b"dc:date", b"tIME"))


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"must end in one of .*; got .*a\.pgn.* Did you mean 'png'"):
        save_figure(draw_losses(amiss.SquaredError())[0].figure, tmp_path / "a.pgn")


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendError, match=r'pip install "amiss\[plot\]"'):
        draw_losses(amiss.SquaredError())


def test_settings_of_the_reader_are_left_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_losses(amiss.SquaredError())
    assert dict(matplotlib.rcParams) == before


def test_axes_that_were_given_are_drawn_on():
    from matplotlib.figure import Figure

    given = Figure().subplots(2, 1)
    assert draw_losses(amiss.SquaredError(), ax=given) == list(given)
    assert given[0].lines


def test_a_wrong_number_of_axes_is_refused():
    from matplotlib.figure import Figure

    with pytest.raises(ParameterError, match="ax must be 2 axes, one for each panel; got 1"):
        draw_losses(amiss.SquaredError(), ax=Figure().subplots())


def height(panel, line):
    """Return the share of the height of a panel that a line spans, between its limits."""
    y = line.get_ydata()
    low, high = panel.get_ylim()
    shown = panel.transData.transform([(0, at) for at in y[(y >= low) & (y <= high)]])[:, 1]
    return np.ptp(shown) / panel.bbox.height


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.05, 0.2, 5.0, 30.0, 1e3, 1e6])
def test_losses_of_very_different_size_are_both_readable(factor):
    value, gradient = draw_losses([amiss.SquaredError(), factor * amiss.AbsoluteError()])
    for panel in (value, gradient):
        for line in panel.get_legend_handles_labels()[0][: 2 if panel is value else 1]:
            assert height(panel, line) > 0.07
            low, high = panel.get_ylim()
            y = line.get_ydata()
            assert np.mean((y >= low) & (y <= high) | np.isnan(y)) > 0.19


def test_an_axis_in_powers_of_ten_says_so():
    value, _ = draw_losses(UNLIKE)
    assert value.get_ylabel().endswith("logarithmic away from 0")


def test_a_pole_does_not_squash_the_picture():
    loss = amiss.BinaryCrossEntropy(input="probabilities")
    value, gradient = draw_losses(loss)
    assert np.isinf(value.lines[0].get_ydata()).any()
    assert value.get_ylim()[1] < 7  # -log(p) at p = 0.5 is 0.7
    assert gradient.get_ylim()[0] > -30


def test_colours_stand_in_one_place():
    assert style.look(0)["color"] == "#0072B2"
    assert len({(style.look(n)["color"], str(style.look(n)["linestyle"])) for n in range(64)}) == 64
