"""A certification as files, by name."""

from collections.abc import Mapping
from typing import Any

from ratlp.certificates import Certification
from ratlp.report.figures.certified import certified_figure
from ratlp.report.figures.style import figure_files
from ratlp.report.json_file import with_results


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
    figures = {"certified": certified_figure(certification)} if max(certification.eps) > 0 else {}
    return with_results(figure_files(figures), {**certification.to_dict(), **facts}, last=("samples",))
