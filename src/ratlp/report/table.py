"""The results as tables: Table 1, the ablation, the theorem, the search.

Each `..._grid` gives the text of the cells, which the HTML page uses too; each `..._markdown` lines
it up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ratlp.experiments.results import AblationRow, Search, SearchRow, TableRow, Theorem
from ratlp.experiments.statistics import Summary
from ratlp.report.grid import Column, Grid
from ratlp.report.labels import (
    BOUND_LABELS,
    METHOD_LABELS,
    METRIC_LABELS,
    NUMBER_LABELS,
    PARAMETER_LABELS,
    key_label,
)


def table1_markdown(rows: Sequence[TableRow]) -> str:
    """Table 1 in Markdown: accuracy in %, one line per method and metric.

    The last column says where the paper's number lies against the 95 % interval of a new seed, and
    names the interval. Where no row has a paper's number (other data), the paper's columns are left out.

    Example:
        >>> row = TableRow("ratlp", "clean", 96.5, 1.4, (96.2, 96.8), None, None, 100)
        >>> print(table1_markdown([row]))
        | Method | Metric | Accuracy, mean ± std (%) | 95 % CI of the mean |
        | ------ | ------ | -----------------------: | ------------------: |
        | RAT-LP | Clean  |               96.5 ± 1.4 |        [96.2, 96.8] |
    """
    return table1_grid(rows).markdown()


def ablation_markdown(rows: Sequence[AblationRow]) -> str:
    """The ablation in Markdown: mean ± std over the seeds, one line per trained setting."""
    return ablation_grid(rows).markdown()


def theorem_markdown(theorem: Theorem) -> str:
    """Section 4's bounds in Markdown: how often each is broken and how tight it is."""
    return theorem_grid(theorem).markdown()


def search_markdown(search: Search) -> str:
    """The search in Markdown: the settings nearest to the paper, and the lowest accuracies."""
    return search_grid(search).markdown()


def new_seed_interval(row: TableRow) -> tuple[float, float]:
    """95 % interval of the accuracy of a new seed in %, clipped to [0, 100].

    Example:
        >>> low, high = new_seed_interval(
        ...     TableRow("standard", "clean", 96.4, 2.3, (95.9, 96.9), None, None, 100)
        ... )
        >>> round(low, 1), high
        (91.8, 100.0)
    """
    low, high = Summary(row.mean, row.std, row.ci95, row.n_seeds).new_seed_interval()
    return clipped((low, high))


def table1_grid(rows: Sequence[TableRow]) -> Grid:
    """Table 1's cells."""
    columns = [
        Column("Method"),
        Column("Metric"),
        Column("Accuracy, mean ± std (%)", right=True),
        Column("95 % CI of the mean", right=True),
    ]
    with_paper = any(row.paper is not None for row in rows)
    if with_paper:
        columns += [
            Column("Paper", right=True),
            Column("Paper's number, against the 95 % interval of a new seed"),
        ]
    cells = [
        (
            METHOD_LABELS[row.method],
            METRIC_LABELS[row.metric],
            f"{row.mean:.1f} ± {row.std:.1f}",
            _interval(clipped(row.ci95)),
            *(_paper_cells(row) if with_paper else ()),
        )
        for row in rows
    ]
    return Grid(tuple(columns), tuple(cells))


def ablation_grid(rows: Sequence[AblationRow]) -> Grid:
    """The ablation's cells."""
    columns = (
        Column("Varied"),
        Column("Value", right=True),
        Column("Method"),
        *(Column(f"{label} (%)", right=True) for label in METRIC_LABELS.values()),
        Column("Mean latent magnitude", right=True),
        Column("Head norm L_g", right=True),
    )
    cells = (
        (
            PARAMETER_LABELS[row.parameter],
            f"{row.value:g}",
            METHOD_LABELS[row.method],
            _spread(row.clean),
            _spread(row.input_fgsm),
            _spread(row.latent_fgsm),
            _spread(row.latent_magnitude, digits=2),
            _spread(row.head_norm, digits=2),
        )
        for row in rows
    )
    return Grid(columns, tuple(cells))


def theorem_grid(theorem: Theorem) -> Grid:
    """The theorem's cells, one row per method and bound."""
    columns = (
        Column("Method"),
        Column("Bound"),
        Column("Violations, of points", right=True),
        Column("Increase / bound, mean", right=True),
        Column("Increase / bound, max", right=True),
        Column("Statement", code=True),
    )
    cells = (
        (
            METHOD_LABELS[check.method],
            BOUND_LABELS.get(bound.name, key_label(bound.name)),
            f"{bound.violations:,} of {check.n_points:,}",
            f"{bound.mean_tightness:.3f}",
            f"{bound.max_tightness:.3f}",
            bound.statement,
        )
        for check in theorem.methods
        for bound in check.bounds
    )
    return Grid(columns, tuple(cells))


def search_grid(search: Search) -> Grid:
    """The search's cells."""
    named = [
        *((f"Nearest to the paper, {rank}", row) for rank, row in enumerate(search.nearest, 1)),
        *((f"Nearest to its standard row, {rank}", row) for rank, row in enumerate(search.nearest_standard, 1)),
        *(
            (f"Nearest to its two attacked accuracies, {rank}", row)
            for rank, row in enumerate(search.nearest_attacked, 1)
        ),
        ("Standard training: lowest input FGSM", search.lowest_input),
        ("Standard training: lowest latent FGSM", search.lowest_latent),
    ]
    keys = tuple(search.lowest_input.numbers)
    columns = (
        Column("Setting"),
        *(Column(f"{NUMBER_LABELS.get(key, key_label(key))} (%)", right=True) for key in keys),
        Column("Distance", right=True),
        Column("Seeds", right=True),
        Column("Choices", code=True),
    )
    return Grid(columns, tuple((name, *_search_cells(row, keys)) for name, row in named))


def value_text(value: Any) -> str:
    """A value of a setting as text: numbers in short, lists and mappings spelled out.

    Example:
        >>> value_text(0.1), value_text([2, 32, 8]), value_text({"x": None}), value_text(True)
        ('0.1', '[2, 32, 8]', 'x=none', 'yes')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(item) for item in value)}]"
    return str(value)


def _paper_cells(row: TableRow) -> tuple[str, str]:
    if row.paper is None:
        return "", ""
    if row.verdict is None:
        return f"{row.paper:.1f}", "no verdict from one seed"
    return f"{row.paper:.1f}", f"{row.verdict} {_interval(new_seed_interval(row))}"


def _search_cells(row: SearchRow, keys: tuple[str, ...]) -> tuple[str, ...]:
    numbers = (f"{row.numbers[key]:.1f}" for key in keys)
    return (*numbers, f"{row.distance:.1f}", str(row.n_seeds), value_text(asdict(row.choices)))


def clipped(interval: tuple[float, float]) -> tuple[float, float]:
    """An interval of accuracies in %, within [0, 100]."""
    return max(interval[0], 0.0), min(interval[1], 100.0)


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.1f}, {interval[1]:.1f}]"


def _spread(summary: Summary, *, digits: int = 1) -> str:
    return f"{summary.mean:.{digits}f} ± {summary.std:.{digits}f}"
