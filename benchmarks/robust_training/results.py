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
        setting: Of the method, the one that validation chose.
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
    epoch: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON, rounded to what the counts carry."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Trial:
    """One setting as validation saw it, the mean over its seeds.

    Attributes:
        net: "small" or "wide".
        method: As on the command line.
        layer: Where it perturbs.
        setting: Of the method.
        clean: Accuracy in % on the validation part.
        attacked: Accuracy in % there, under two times 20 steps.
        seeds: With how many it was trained: all, where it came close to the best with the first.
        chosen: Whether it is the best of the method's at this layer.
    """

    net: str
    method: str
    layer: str
    setting: str
    clean: float
    attacked: float
    seeds: int
    chosen: bool


def table(rows: Sequence[Row], trials: Sequence[Trial]) -> str:
    """The chosen settings, mean and standard deviation over the seeds; then what was tried, on the validation part."""
    lines: list[str] = []
    for net in dict.fromkeys(row.net for row in rows):
        lines += [f"{net} net, the settings that validation chose (mean ± std over seeds, accuracies in %)", ""]
        lines += _lines([row for row in rows if row.net == net])
        lines += ["", f"{net} net, every setting that was tried, on the validation part (* chosen)", ""]
        lines += [*_tried([trial for trial in trials if trial.net == net]), ""]
    return "\n".join(lines)


def grouped(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """By method, layer and setting: the seeds of each."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.method, row.layer, row.setting), []).append(row)
    return found


def _lines(rows: Sequence[Row]) -> list[str]:
    wide = _width(row.setting for row in rows)
    columns = "".join(f"{name:>14}" for name in COLUMNS)
    head = f"{'method':<12}{'layer':<13}{'setting':<{wide}}{columns}{'seeds':>7}"
    lines = [head, "-" * len(head)]
    for (method, layer, setting), group in grouped(rows).items():
        cells = "".join(f"{_spread([getattr(row, name) for row in group], name):>14}" for name in COLUMNS)
        lines.append(f"{method:<12}{layer:<13}{setting:<{wide}}{cells}{len(group):>7}")
    return lines


def _tried(trials: Sequence[Trial]) -> list[str]:
    wide = _width(trial.setting for trial in trials)
    head = f"{'method':<12}{'layer':<13}{'setting':<{wide}}{'clean':>14}{'attacked':>14}{'seeds':>7}"
    lines = [head, "-" * len(head)]
    for t in trials:
        name = t.setting + "*" * t.chosen
        lines.append(f"{t.method:<12}{t.layer:<13}{name:<{wide}}{t.clean:>14.1f}{t.attacked:>14.1f}{t.seeds:>7}")
    return lines


def _width(settings: Iterable[str]) -> int:
    """Of their column, with the mark of the chosen one."""
    return max(len("setting"), *map(len, settings)) + 3


def _spread(values: Sequence[float], name: str) -> str:
    digits = 2 if name == "time_ratio" else 1
    if name == "time_ratio" or len(values) == 1:
        return f"{mean(values):.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"
