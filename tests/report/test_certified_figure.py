import json
import math
from dataclasses import replace

import pytest

from ratlp.certificates import AttackRun, Certification, MethodRun
from ratlp.errors import InputError
from ratlp.report.certified import certification_files
from ratlp.report.figures.certified import certified_figure


@pytest.fixture
def found():
    radius = tuple(0.002 * sample for sample in range(100))
    run = MethodRun("interval", samples=100, seconds=1.0, radius=radius)
    labels, predicted = (0,) * 100, (0,) * 95 + (1,) * 5
    return Certification("input", "linf", (0, 1), (0.05, 0.1), 0.01, "float64", labels, predicted, (run,))


def texts(figure):
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    axes = figure.axes[0]
    return legend, axes.get_xlabel(), axes.get_ylabel(), [text.get_text() for text in axes.texts]


def curve_of(figure):
    return next(line for line in figure.axes[0].lines if line.get_label() == "Certified")


def test_the_curve_is_the_certified_accuracy_everywhere(found):
    curve = curve_of(certified_figure(found))
    assert curve.get_drawstyle() == "steps-pre"
    for eps, share in zip(curve.get_xdata(), curve.get_ydata(), strict=True):
        assert share == 100 * found.point(eps).certified.share
    assert curve.get_xdata()[0] == 0
    assert curve.get_xdata()[-1] == 0.1
    assert len(curve.get_xdata()) > 50  # every radius below the largest, not the asked ones alone


def test_the_band_holds_the_interval(found):
    axes = certified_figure(found).axes[0]
    (band,) = axes.collections
    low, high = found.point(0.1).certified.ci95
    at = [y for x, y in band.get_paths()[0].vertices if x == 0.1]
    assert min(at) == pytest.approx(100 * low)
    assert max(at) == pytest.approx(100 * high)


def test_words_and_numbers(found):
    legend, x, y, numbers = texts(certified_figure(found))
    assert set(legend) == {"Clean, 95.0 %", "95 % CI", "Certified"}
    assert x == "Radius of the L-inf ball around the input, in its units"
    assert y == "Accuracy (% of 100 samples)"
    assert numbers == [f"{100 * point.certified.share:.1f}" for point in found.curve]
    latent = replace(found, layer="features.3", norm="l2")
    assert "L2 ball around the output of 'features.3'" in texts(certified_figure(latent))[1]


def test_the_attack_has_marks_of_its_own(found):
    broken_at = tuple(math.inf if sample > 10 else 0.1 for sample in range(95)) + (0.0,) * 5
    attacked = replace(found, attack=AttackRun("PGD(steps=50)", 1.0, broken_at))
    figure = certified_figure(attacked)
    marks = next(line for line in figure.axes[0].lines if line.get_label() == "Right under attack")
    assert list(marks.get_ydata()) == [100 * point.robust.share for point in attacked.curve]
    assert "Right under attack" in texts(figure)[0]


def test_many_samples_make_no_more_than_some_hundred_steps(found):
    radius = tuple(sample / 20_000 for sample in range(2000))
    run = MethodRun("interval", samples=2000, seconds=1.0, radius=radius)
    many = replace(found, labels=(0,) * 2000, predicted=(0,) * 2000, methods=(run,))
    assert len(curve_of(certified_figure(many)).get_xdata()) < 600


def test_many_radii_get_no_numbers(found):
    many = replace(found, eps=tuple(eps / 100 for eps in range(1, 20)))
    assert texts(certified_figure(many))[3] == []


def test_nothing_but_zero(found):
    with pytest.raises(InputError, match="a radius above 0"):
        certified_figure(replace(found, eps=(0.0,)))


def test_the_files_are_the_same_each_time_and_hold_the_facts(found):
    first, second = (certification_files(found, {"command": "ratlp certify x", "model": "mlp"}) for _ in range(2))
    assert first == second
    assert first["certified.png"].startswith(b"\x89PNG")
    content = json.loads(first["results.json"])
    assert content["files"] == sorted(first)
    assert content["model"] == "mlp"
    assert Certification.from_json(first["results.json"].decode()) == found


def test_numbers_lie_above_the_axis():
    radius = (0.02,) * 97 + (0.05,) * 3
    run = MethodRun("interval", samples=100, seconds=1.0, radius=radius)
    eps = (0.01, 0.04, 0.06)
    found = Certification("input", "linf", (0, 1), eps, 0.01, "float64", (0,) * 100, (0,) * 100, (run,))
    figure = certified_figure(found)
    figure.canvas.draw()
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["100.0", "3.0", "0.0"]
    for text in axes.texts:
        extent = text.get_window_extent()
        assert extent.y0 > axes.bbox.y0
        assert extent.x1 < axes.bbox.x1
