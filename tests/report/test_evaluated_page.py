"""The page of an assessment, on a real one; in a real browser where one is installed."""

import base64
import re
from dataclasses import replace

import pytest
import torch
from utils.browser import CHROMIUM, look_at

from ratlp.assessment import Budget, Journal, Plan, assess, differences, views
from ratlp.data import Digits, Moons
from ratlp.evaluation import Check
from ratlp.models import mlp
from ratlp.report.compared import accuracies_grid, comparison_files
from ratlp.report.evaluated import evaluation_figures, evaluation_files, evaluation_page
from ratlp.report.evaluated_grids import distances_grid, headline_grid

BAD = Check("zero gradients", 1.0, "the gradient is 0 for no more than 5 % <of the samples>", "do not trust")
GOOD = Check("monotone in eps", 0.0, "accuracy never rises", "pass")

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def facts(source, plan):
    return {
        "command": "ratlp evaluate net.safetensors --data=moons " + "--layer=a.very.long.layer.name " * 3,
        "model": "mlp, with the weights of <net>.safetensors",
        "data": source.described(0),
        "settings": plan.settings(),
        "versions": {"torch": "2.13.0"},
    }


def assessed(folder, source, budgets, *, net=None):
    torch.manual_seed(0)
    split = source.draw(0)
    net = net or mlp(split.x_test.shape[1], classes=source.classes)
    x, y = split.x_test[:60], split.y_test[:60]
    with torch.no_grad():  # labels of the net's own, so that there is something to break
        y = torch.where(torch.rand(60) < 0.9, net.eval()(x).argmax(1), y)
    plan = Plan(("fgsm", "noise"), "linf", budgets, source.bounds, checks=False, certify=True)
    with Journal(folder / "journal", {}) as journal:
        found = assess(net, x, y, plan, journal)
    found = replace(found, evaluation=replace(found.evaluation, checks=(BAD, GOOD)))
    return found, views(net, x, y, plan, source), facts(source, plan)


@pytest.fixture(scope="module")
def moons(tmp_path_factory):
    budgets = {"input": Budget((0.1,)), "encoder": Budget((0.5,))}
    return assessed(tmp_path_factory.mktemp("moons"), Moons(n=400), budgets)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return assessed(tmp_path_factory.mktemp("digits"), Digits(), {"input": Budget((0.1,))})


@pytest.fixture(scope="module")
def pages(moons, digits, tmp_path_factory):
    first, _, given = moons
    source, budgets = Moons(n=400), {"input": Budget((0.1,)), "encoder": Budget((0.5,))}
    second = assessed(tmp_path_factory.mktemp("second"), source, budgets)[0]
    found = {"one": first, "another.model.with.a.long.name": second}
    compared = comparison_files(found, differences(found), {**given, "models": dict.fromkeys(found, "mlp")})
    files = {"moons": evaluation_files(*moons), "digits": evaluation_files(*digits), "compared": compared}
    return {name: content["report.html"].decode() for name, content in files.items()}


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_sections(pages):
    assert headings(pages["moons"]) == [
        "Robust accuracy",
        "Self-checks",
        "Accuracy over eps, at input",
        "Accuracy over eps, at layer encoder",
        "Decision boundary",
        "Latent space, under the attack on the input",
        "Latent space, under the attack at layer encoder",
        "Class by class",
        "Minimal adversarial distances",
        "Run it again",
    ]
    assert "Clean and adversarial images" in headings(pages["digits"])
    assert "Decision boundary" not in headings(pages["digits"])
    assert headings(pages["compared"])[:2] == ["Robust accuracy", "Differences, sample by sample"]


@pytest.mark.parametrize("name", ["moons", "digits", "compared"])
def test_pages_need_nothing_else_and_escape_what_they_are_given(pages, name):
    page = pages[name]
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"https?://|url\(|@import|<script", page)
    assert "<net>" not in page
    assert "<of the" not in page
    for source in sources:  # the figures too
        svg = base64.b64decode(source.partition(",")[2]).decode()
        assert not re.search(r'(?:href|src)="(?!#|data:)', svg)


@pytest.mark.parametrize("name", ["moons", "digits", "compared"])
def test_a_check_that_fails_is_a_banner_and_a_marked_row(pages, name):
    page = pages[name]
    banner = re.search(r'role="alert">(.*?)</div>', page, re.DOTALL)[1]
    assert "DO NOT TRUST" in banner
    assert "zero gradients" in banner
    marked = re.findall(r'<tr class="miss">(.*?)</tr>', page, re.DOTALL)
    assert len(marked) == (2 if name == "compared" else 1)
    assert "DO NOT TRUST" in marked[0]


def test_without_checks_that_fail_there_is_no_banner(moons):
    found, seen, given = moons
    trusted = replace(found, evaluation=replace(found.evaluation, checks=(GOOD,)))
    page = evaluation_page(trusted, seen, given, {})
    assert 'role="alert"' not in page
    assert "None speaks against them." in page
    unchecked = replace(found, evaluation=replace(found.evaluation, checks=()))
    assert "None was run" in evaluation_page(unchecked, seen, given, {})


def test_every_table_names_a_place_alike(moons):
    found, places = moons[0], {"", "input", "layer encoder"}
    grids = (headline_grid(found), accuracies_grid({"net": found}), distances_grid(found.distances))
    for grid in grids:
        assert {row[0] for row in grid.only("At").rows} | {""} == places


def test_the_numbers_on_the_page_are_the_assessments(moons, pages):
    found = moons[0]
    text = pages["moons"].replace("&nbsp;", " ")
    for accuracy in (found.evaluation.clean, found.worst_case("input"), found.worst_case("encoder")):
        assert f"{100 * accuracy.share:.1f} %" in text
    assert all(f"{100 * point.certified.share:.1f} %" in text for one in found.certificates for point in one.points)
    assert "ratlp evaluate net.safetensors" in text


def test_every_figure_has_words(pages):
    for page in pages.values():
        alts = re.findall(r'<img [^>]*alt="([^"]*)"', page)
        assert len(alts) == page.count("<img")
        assert all(len(alt) > 40 for alt in alts)


@pytest.mark.slow
def test_files_are_the_same_each_time(digits):
    first, second = evaluation_files(*digits), evaluation_files(*digits)
    assert first == second
    assert set(first) >= {"results.json", "timings.json", "report.html", "pairs.png", "latents-0.svg"}


def test_inputs_without_a_picture_leave_its_section_out(moons):
    found, seen, given = moons
    bare = replace(seen, regions=None, latents=())
    assert evaluation_figures(found, bare).keys() == {"curve-0", "curve-1"}
    page = evaluation_page(found, bare, given, {})
    assert not any(title.startswith(("Decision", "Latent")) for title in headings(page))


def test_pictures_of_the_input_name_its_own_attack_wherever_the_input_stands(tmp_path):
    budgets = {"encoder": Budget((0.5,)), "input": Budget((0.1,))}
    page = evaluation_page(*assessed(tmp_path, Moons(n=400), budgets), {})
    assert "and where fgsm, L-inf 0.1 moves them" in page.replace("&nbsp;", " ")


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", ["moons", "digits", "compared"])
@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False)])
def test_in_a_browser(pages, tmp_path, name, width, dark):
    check_in_browser(pages[name], tmp_path, width, dark)


@needs_browser
def test_in_a_browser_at_phone_width_and_dark(pages, tmp_path):
    check_in_browser(pages["moons"], tmp_path, 390, True)


def check_in_browser(page, folder, width, dark):
    found, console = look_at(page, folder, width=width, dark=dark)
    assert console == []
    assert len(found["images"]) == page.count("<img") > 0
    assert all(found["images"])
    assert found["overflow"] <= 0
    assert found["dark"] == dark
    channels = [int(part) for part in re.findall(r"\d+", found["background"])]
    assert (max(channels) < 64) == dark
    assert "DO NOT TRUST" in found["banner"]


@needs_browser
def test_the_browser_sees_what_is_wrong(tmp_path):
    """The test itself can fail: a script's error, a lost image and a wide block are noticed."""
    page = (
        "<!doctype html><meta name=viewport content='width=device-width'><script>console.error('x')</script>"
        "<img src='file:///nowhere.png'><div style='width: 900px'>wide</div>"
    )
    found, console = look_at(page, tmp_path, width=390)
    assert console
    assert found["images"] == [False]
    assert found["overflow"] > 0
