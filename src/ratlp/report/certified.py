"""A certification as files, by name."""

from collections.abc import Mapping
from typing import Any

from ratlp.certificates import Certification
from ratlp.report.figures.certified import certified_figure
from ratlp.report.figures.style import figure_png, figure_svg
from ratlp.report.json_file import json_bytes


def certification_files(certification: Certification, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """All that a certification leaves behind, by file name.

    Args:
        certification: What was found.
        facts: What else `results.json` is to hold, as the command and the data.

    Returns:
        `results.json`; where a radius above 0 was asked for also `certified.png` and `certified.svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> found = Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1), (0, 1), ())
        >>> sorted(certification_files(found, {"command": "ratlp certify net.safetensors"}))
        ['certified.png', 'certified.svg', 'results.json']
    """
    files = {}
    if max(certification.eps) > 0:
        figure = certified_figure(certification)
        files = {"certified.png": figure_png(figure), "certified.svg": figure_svg(figure)}
    content = certification.to_dict()
    samples = content.pop("samples")  # long, so last
    content |= {**facts, "files": sorted([*files, "results.json"]), "samples": samples}
    return {**files, "results.json": json_bytes(content)}
