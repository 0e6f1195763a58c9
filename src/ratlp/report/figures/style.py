"""The shared look of the figures, and their bytes.

The figures are built without pyplot: no global state, no choice of a backend. The look holds inside
`look()` alone and starts from matplotlib's defaults, so that a user's own settings change nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ratlp.experiments.results import Method, Metric
from ratlp.optional import import_optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind eyes.
BLACK: Final = "#000000"
ORANGE: Final = "#E69F00"
SKY_BLUE: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#6B6B6B"
PALETTE: Final = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY_BLUE)
"""For what has no colour of its own, in this order."""

METHOD_COLOURS: Final[dict[Method, str]] = {"standard": ORANGE, "ratlp": BLUE}
METRIC_COLOURS: Final[dict[Metric, str]] = {
    "clean": GREEN,
    "input_fgsm": VERMILLION,
    "latent_fgsm": BLUE,
}

_LOOK: Final[dict[str, object]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "lines.linewidth": 2,
    "svg.fonttype": "path",  # looks the same whatever fonts the reader has
    "svg.hashsalt": "ratlp",  # the same ids each time
    "savefig.dpi": 160,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
}


@contextmanager
def look() -> Iterator[None]:
    """The figures' matplotlib settings, undone on leaving.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    import_optional("matplotlib", package="matplotlib", extra="cli")
    from matplotlib import style

    with style.context(["default", _LOOK]):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, that lays itself out; call it inside `look()`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def settle(figure: "Figure") -> "Figure":
    """Lay the figure out once and for all, so that each drawing of it gives the same bytes."""
    for _ in range(3):  # texts placed beside the axes move with them: one pass does not settle
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def figure_png(figure: "Figure") -> bytes:
    """The figure as a PNG file at 160 dots per inch; the same bytes each time."""
    return _saved(figure, "png", {"Software": None})


def figure_svg(figure: "Figure") -> bytes:
    """The figure as an SVG file with text as outlines; the same bytes each time.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure_svg(Figure()) == figure_svg(Figure())
        True
    """
    return _saved(figure, "svg", {"Date": None})


def figure_files(figures: Mapping[str, "Figure"]) -> dict[str, bytes]:
    """Each figure as PNG and SVG, by file name.

    Example:
        >>> from matplotlib.figure import Figure
        >>> list(figure_files({"curve": Figure()}))
        ['curve.png', 'curve.svg']
    """
    kinds = {"png": figure_png, "svg": figure_svg}
    return {f"{name}.{kind}": drawn(figure) for name, figure in figures.items() for kind, drawn in kinds.items()}


def _saved(figure: "Figure", kind: str, metadata: dict[str, None]) -> bytes:
    buffer = BytesIO()
    with look():
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
