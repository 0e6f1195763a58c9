import re
import sys
from html.parser import HTMLParser

import pytest

from ratlp.errors import MissingExtraError
from ratlp.report import report_figures, report_page

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Checks that tags nest, and collects attributes and visible text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.headings, self.alts, self.words = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += attrs
        self.alts += [value for name, value in attrs if name == "alt"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        self.words.append(data)


@pytest.fixture(scope="module")
def text(reproduction):
    return report_page(reproduction, report_figures(reproduction))


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_page_holds_every_section(page):
    assert page.open == []
    assert page.headings == [
        "Table 1: accuracy",
        "Figure 1: decision boundaries",
        "Ablation",
        "The theorem of section 4",
        "Search over what the paper leaves open",
        "Run it again",
    ]


def test_page_leaves_out_what_was_not_run(bare):
    headings = Page(report_page(bare, {})).headings
    assert headings == ["Table 1: accuracy", "The theorem of section 4", "Versions"]


def test_page_needs_nothing_else(text, page):
    addresses = [value for name, value in page.attributes if name in ("src", "href")]
    assert len(addresses) == 4
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)
    assert not re.search(r"https?://|url\(|@import|<script", text)


def test_page_escapes_what_it_is_given(bare):
    text = report_page(bare, {})
    assert "<script>" not in text
    assert "on &lt;script&gt;alert(1)&lt;/script&gt; &amp; co;" in text


def test_page_states_what_does_not_reproduce(page):
    words = "".join(page.words).replace("\xa0", " ")
    assert "3 of the paper's 6 numbers lie in the 95 % interval of a new seed." in words
    assert "the paper's number is below. Does not reproduce." in words
    assert "drawn anew for each seed" in words
    assert "the radius of a half circle" in words
    assert "torch 2.13.0" in words
    assert "ratlp reproduce --data moons" in words


def test_every_figure_has_words(page):
    assert len(page.alts) == 4
    assert page.alts[0].startswith("Dot plot of accuracies")
    assert "Standard training, input FGSM: 89.1 % (paper 45.2 %)" in page.alts[0]


def test_page_is_the_same_each_time(reproduction, text):
    assert report_page(reproduction, report_figures(reproduction)) == text


def test_symbols_get_their_subscripts(text):
    assert "L<sub>g</sub> = 9.31" in text
    assert "eps<sub>z</sub>" in text


def test_jinja_missing_is_said(reproduction, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"'jinja2'.*ratlp\[cli\]"):
        report_page(reproduction, {})
