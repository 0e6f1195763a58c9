import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rcParams

from ratlp.errors import InputError, MissingExtraError
from ratlp.experiments.results import Boundary, Theorem
from ratlp.report import (
    ablation_figure,
    boundary_figure,
    figure_png,
    figure_svg,
    margin_band,
    report_figures,
    table_figure,
    theorem_figure,
)

NAMES = ["table1", "boundary", "theorem", "ablation"]


@pytest.fixture(scope="module")
def figures(reproduction):
    return report_figures(reproduction)


def toy_boundary(probability, *, eps, x=None, y=None, points=None, correct=None):
    rows, columns = probability.shape
    return Boundary(
        method="ratlp",
        x=np.arange(columns) * 0.05 if x is None else x,
        y=np.arange(rows) * 0.1 if y is None else y,
        probability=probability,
        points=np.zeros((2, 2)) if points is None else points,
        labels=np.array([0, 1]),
        correct=np.array([True, True]) if correct is None else correct,
        eps=eps,
    )


def brute_force_band(boundary):
    predicted = boundary.probability > 0.5
    band = np.zeros_like(predicted)
    for i, y in enumerate(boundary.y):
        for j, x in enumerate(boundary.x):
            near_y = np.abs(boundary.y - y) <= boundary.eps + 1e-9
            near_x = np.abs(boundary.x - x) <= boundary.eps + 1e-9
            band[i, j] = (predicted[np.ix_(near_y, near_x)] != predicted[i, j]).any()
    return band


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_labels_its_axes(figures, name):
    for axes in figures[name].axes:
        grid = axes.get_subplotspec()
        assert axes.get_xlabel() or axes.get_ylabel() or not grid.is_last_row()
    assert any(axes.get_xlabel() for axes in figures[name].axes)
    assert any(axes.get_ylabel() for axes in figures[name].axes)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_outside_the_figure(figures, name):
    figure = figures[name]
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height


@pytest.mark.parametrize("name", NAMES)
def test_files_are_the_same_each_time(figures, reproduction, name):
    again = report_figures(reproduction)[name]
    assert figure_png(figures[name]) == figure_png(again)
    assert figure_svg(figures[name]) == figure_svg(figures[name]) == figure_svg(again)


def test_files_are_what_they_claim(figures):
    assert figure_png(figures["table1"]).startswith(b"\x89PNG\r\n\x1a\n")
    root = ElementTree.fromstring(figure_svg(figures["table1"]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))


def test_a_users_matplotlib_settings_neither_matter_nor_change(reproduction, figures, monkeypatch):
    monkeypatch.setitem(rcParams, "font.size", 30)
    monkeypatch.setitem(rcParams, "axes.grid", True)
    before = dict(rcParams)
    assert figure_svg(table_figure(reproduction.table1)) == figure_svg(figures["table1"])
    assert dict(rcParams) == before


def test_figures_without_results_are_left_out(bare):
    assert set(report_figures(bare)) == {"table1", "theorem"}


@pytest.mark.parametrize("draw", [table_figure, boundary_figure, ablation_figure])
def test_nothing_to_draw_is_refused(draw):
    with pytest.raises(InputError, match="at least one"):
        draw(())


def test_a_theorem_without_bounds_is_refused():
    with pytest.raises(InputError, match="at least one bound"):
        theorem_figure(Theorem(0.1, 0, 0, 0, ()))


def test_matplotlib_missing_is_said(reproduction, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"'matplotlib'.*ratlp\[cli\]"):
        table_figure(reproduction.table1)


def test_table_figure_holds_the_papers_numbers(figures, bare):
    def diamonds(figure):
        lines = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
        return sorted(float(line.get_xdata()[0]) for line in lines if len(line.get_xdata()))

    assert diamonds(figures["table1"]) == [45.2, 52.8, 89.6, 93.7, 95.3, 97.0]
    assert diamonds(table_figure(bare.table1)) == []


@pytest.mark.parametrize("eps", [0.0, 0.04, 0.1, 0.15, 0.3, 5.0])
def test_margin_band_equals_brute_force(eps):
    probability = np.random.default_rng(1).random((14, 23)) ** 6  # few points of class 1
    boundary = toy_boundary(probability, eps=eps)
    assert np.array_equal(margin_band(boundary), brute_force_band(boundary))


def test_margin_band_on_a_float32_grid_reaches_all_of_eps():
    x = np.arange(-1.87, 2.9, 0.01, dtype=np.float32)
    probability = np.tile((x > 0.5).astype(np.float32), (3, 1))
    band = margin_band(toy_boundary(probability, eps=0.1, x=x))
    assert band.sum(axis=1).tolist() == [20, 20, 20]  # ten steps on either side


def test_a_net_without_a_boundary_is_drawn_without_one():
    boundary = toy_boundary(np.full((6, 8), 0.9), eps=0.1)
    assert not margin_band(boundary).any()
    panel = boundary_figure([boundary]).axes[0]
    assert [bar.get_ylabel() for bar in panel.child_axes] == ["Predicted P(class 1)"]


def test_a_long_thin_plane_keeps_a_figure_of_some_width_and_height():
    boundary = toy_boundary(np.full((500, 3), 0.1), eps=0.1)
    assert boundary_figure([boundary]).get_size_inches()[1] < 10


def test_the_rings_are_the_misclassified_points_exactly():
    # The second point lies where the grid is sure of its class; the net itself got it wrong.
    points, correct = np.array([[0.1, 0.2], [0.3, 0.1]]), np.array([True, False])
    boundary = toy_boundary(np.tile([0.0, 1.0], (6, 4)), eps=0.1, points=points, correct=correct)
    panel = boundary_figure([boundary]).axes[0]
    rings = next(drawn for drawn in panel.collections if drawn.get_label() == "Misclassified")
    assert rings.get_offsets().tolist() == [[0.3, 0.1]]
    assert "50.0 % clean accuracy" in panel.get_title()


def test_ablation_draws_a_column_per_parameter(reproduction):
    latents = [row for row in reproduction.ablation if row.parameter == "m"]
    axes = ablation_figure(latents).axes
    assert len(axes) == 2
    drawn = [line for line in axes[0].lines if len(line.get_xdata())]
    assert sorted(line.get_linestyle() for line in drawn) == ["-"] * 3 + ["--"] * 3
    assert len(ablation_figure(reproduction.ablation).axes) == 6


def test_ablation_shows_a_budget_of_zero(figures):
    axes = figures["ablation"].axes[3]
    assert axes.get_xscale() == "symlog"
    assert axes.get_xticks()[0] == 0
    assert axes.get_xticklabels()[0].get_text() == "0"


def test_ablation_of_sizes_alike_has_a_linear_axis(reproduction):
    rows = [replace(row, head_norm=row.latent_magnitude) for row in reproduction.ablation[:2]]
    assert ablation_figure(rows).axes[1].get_yscale() == "linear"


def test_theorem_figure_counts_violations(figures):
    texts = [text.get_text() for text in figures["theorem"].axes[0].texts]
    assert texts.count("holds at every point") == 4
    assert "4,313 of 20,000 violate" in texts
