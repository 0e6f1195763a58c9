"""The tables of a certification."""

from ratlp.certificates import Certification
from ratlp.report.accuracies import norm_name, percent_with_interval
from ratlp.report.grid import Column, Grid


def certified_grid(found: Certification) -> Grid:
    """At each radius asked for, what is certified and, where an attack was run, what it left.

    Example:
        >>> found = Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1), (0, 1), ())
        >>> certified_grid(found).rows
        (('0.1', '0.0 % [0.0, 65.8]'),)
    """
    attacked = ["Right under attack"] if found.attack is not None else []
    titles = [f"{norm_name(found.norm)} eps", "Certified", *attacked]
    rows = []
    for point in found.curve:
        accuracies = (point.certified, *([] if point.robust is None else [point.robust]))
        rows.append((f"{point.eps:g}", *map(percent_with_interval, accuracies)))
    return Grid(tuple(Column(title, right=True) for title in titles), tuple(rows))


def methods_grid(found: Certification) -> Grid:
    """What each method that served was tried on, took, and certified first at each radius.

    Example:
        >>> from ratlp.certificates import MethodRun
        >>> run = MethodRun("interval", samples=2, seconds=0.12, radius=(0.2, 0.0))
        >>> found = Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1), (0, 1), (run,))
        >>> methods_grid(found).rows
        (('interval', '2', '0.1', '1'),)
    """
    titles = ("Samples", "Seconds", *(f"Certified at {eps:g}" for eps in found.eps))
    rows = tuple(
        (
            run.name,
            f"{run.samples:,}",
            f"{run.seconds:.1f}",
            *(f"{point.by_method[run.name]:,}" for point in found.curve),
        )
        for run in found.methods
        if run.refused is None
    )
    return Grid((Column("Method"), *(Column(title, right=True) for title in titles)), rows)
