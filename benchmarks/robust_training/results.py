"""From finished work to rows and a table."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

COLUMNS = ("clean", "pgd", "autoattack", "certified", "time_ratio")


@dataclass(frozen=True)
class Row:
    """One trained net.

    Attributes:
        method: As on the command line.
        layer: Where it perturbs, "" where it does not.
        seed: Of the initial weights and the batches.
        clean: Accuracy in %, on the whole test part.
        pgd: Accuracy in % under PGD with 50 steps and 5 restarts.
        autoattack: Accuracy in % under APGD-CE and APGD-T.
        certified: Accuracy in % that is proved, by the better bound for each image, on the whole test part.
        time_ratio: Time of a training step over a standard step's.
        interval: As certified, by interval bounds alone.
        net: "small" or "wide".
        setting: Of the method.
        chosen: Whether validation chose this setting; only the chosen one is trained with every seed.
        epoch: At which validation stopped the training.
    """

    method: str
    layer: str
    seed: int
    clean: float
    pgd: float
    autoattack: float
    certified: float
    time_ratio: float
    interval: float
    net: str
    setting: str
    chosen: bool
    epoch: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON, rounded to what the counts carry."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


def table(rows: Sequence[Row]) -> str:
    """The chosen settings, mean and standard deviation over the seeds; then every setting that was tried."""
    lines: list[str] = []
    for net in dict.fromkeys(row.net for row in rows):
        own = [row for row in rows if row.net == net]
        chosen = [row for row in own if row.chosen]
        lines += [f"{net} net, the settings that validation chose (mean ± std over seeds, accuracies in %)", ""]
        lines += _lines(_grouped(chosen), mark=False)
        others = [row for row in own if row.seed == 0]
        if len(others) > len([row for row in chosen if row.seed == 0]):
            lines += ["", f"{net} net, every setting, seed 0 (* chosen)", "", *_lines(_grouped(others), mark=True)]
        lines.append("")
    return "\n".join(lines)


def _grouped(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.method, row.layer, row.setting), []).append(row)
    return found


def _lines(groups: dict[tuple[str, str, str], list[Row]], *, mark: bool) -> list[str]:
    head = f"{'method':<12}{'layer':<13}{'setting':<20}" + "".join(f"{name:>14}" for name in COLUMNS) + f"{'seeds':>7}"
    lines = [head, "-" * len(head)]
    for (method, layer, setting), rows in groups.items():
        star = "*" if mark and rows[0].chosen else ""
        cells = "".join(f"{_spread([getattr(row, name) for row in rows], name):>14}" for name in COLUMNS)
        lines.append(f"{method:<12}{layer:<13}{setting + star:<20}{cells}{len(rows):>7}")
    return lines


def _spread(values: Sequence[float], name: str) -> str:
    digits = 2 if name == "time_ratio" else 1
    if name == "time_ratio" or len(values) == 1:
        return f"{mean(values):.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"
