"""What an evaluation finds, as frozen values that become JSON and come back from it.

Accuracies are shares in [0, 1]; every one has its 95 % Wilson interval. `docs/evaluation.md` documents the keys.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ratlp.errors import InputError
from ratlp.evaluation.attack import Eps
from ratlp.optional import import_optional
from ratlp.proportions import Accuracy

SCHEMA = "ratlp.evaluate/1"
"""Names the layout of `results.json`."""


@dataclass(frozen=True)
class AttackResult:
    """What one attack left standing.

    Attributes:
        name: The attack's.
        space: "input" or "latent".
        layer: "input", or the layer's name.
        norm: "linf", "l2" or the name of another set.
        eps: The radius, in units of the point, or of `relative_to`.
        relative_to: The scale that eps is a multiple of, such as "rms_per_sample"; None where eps is absolute.
        unit: At a layer, what a relative eps of 1 is in absolute units: the mean over the samples of the latent's
            root mean square, in L2 times the square root of its size. None in input space.
        attack: The whole attack in words.
        robust: The samples that are classified rightly and that the attack did not break, of all samples.
        attacked: On how many it ran: those classified rightly, in a cascade less those that attacks before broke.
        forwards: Sample passes forward through what follows the layer: one for each sample in each call.
        gradients: How many of these were taken back for a gradient.
    """

    name: str
    space: Literal["input", "latent"]
    layer: str
    norm: str
    eps: Eps
    relative_to: str | None
    unit: float | None
    attack: str
    robust: Accuracy
    attacked: int
    forwards: int
    gradients: int

    @property
    def eps_absolute(self) -> float | None:
        """The radius in units of the point, the mean where it is relative; None where it is not one number."""
        if not isinstance(self.eps, float) or self.relative_to is None:
            return self.eps if isinstance(self.eps, float) else None
        return None if self.unit is None else self.eps * self.unit

    @property
    def eps_relative(self) -> float | None:
        """The radius as a multiple of the latent's own scale; None in input space, or where it is not one number."""
        if self.unit is None or not isinstance(self.eps, float):
            return None
        if self.relative_to is not None:
            return self.eps
        return self.eps / self.unit if self.unit > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """One entry of `attacks` in `results.json`."""
        own = asdict(self)
        del own["robust"]
        accuracy = {
            "eps_absolute": self.eps_absolute,
            "eps_relative": self.eps_relative,
            "robust_accuracy": self.robust.share,
            "ci95": list(self.robust.ci95),
            "robust": self.robust.correct,
            "n": self.robust.n,
        }
        return {**own, **accuracy}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "AttackResult":
        """The inverse of `to_dict`."""
        derived = {"eps_absolute", "eps_relative", "robust_accuracy", "ci95", "robust", "n"}
        own = {key: value for key, value in entry.items() if key not in derived}
        return cls(**own, robust=Accuracy(entry["robust"], entry["n"]))


@dataclass(frozen=True)
class ClassResult:
    """One class: how much of it is classified rightly, and how much of it withstands every attack."""

    label: int
    clean: Accuracy
    worst_case: Accuracy

    def to_dict(self) -> dict[str, Any]:
        """One entry of `classes` in `results.json`."""
        return {
            "label": self.label,
            "n": self.clean.n,
            "clean": self.clean.share,
            "worst_case": self.worst_case.share,
            "correct": self.clean.correct,
            "robust": self.worst_case.correct,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "ClassResult":
        """The inverse of `to_dict`."""
        n = entry["n"]
        return cls(entry["label"], Accuracy(entry["correct"], n), Accuracy(entry["robust"], n))


@dataclass(frozen=True)
class Check:
    """A rule that a sound evaluation keeps, the figure found, and the verdict.

    Attributes:
        name: Of the check.
        value: The figure; None where there is none.
        rule: What it is held against, in words.
        verdict: "pass", "do not trust" or "not run": see `ratlp.evaluation.checks.outcome`.
    """

    name: str
    value: float | None
    rule: str
    verdict: str


@dataclass(frozen=True)
class Samples:
    """The outcome of every sample, in order.

    Attributes:
        labels: The true classes.
        predictions: The classes predicted without attack.
        broken: For each attack, by name, the indices of the samples that it turned from right to wrong.

    Raises:
        InputError: There is not one prediction for each label.

    Example:
        >>> samples = Samples(labels=(0, 1, 1), predictions=(0, 1, 0), broken={"pgd": (1,)})
        >>> samples.correct, samples.robust
        ((0, 1), (0,))
    """

    labels: tuple[int, ...]
    predictions: tuple[int, ...]
    broken: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        if len(self.predictions) != len(self.labels):
            raise InputError(
                f"samples need a prediction for each label; found {len(self.predictions)} for {len(self.labels)}"
            )

    @property
    def correct(self) -> tuple[int, ...]:
        """The indices of the samples that are classified rightly without attack."""
        pairs = zip(self.labels, self.predictions, strict=True)
        return tuple(index for index, (label, prediction) in enumerate(pairs) if label == prediction)

    @property
    def robust(self) -> tuple[int, ...]:
        """The indices of those that withstand every attack: the worst case."""
        broken = {index for indices in self.broken.values() for index in indices}
        return tuple(index for index in self.correct if index not in broken)

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Samples":
        """The inverse of `asdict`."""
        broken = {name: tuple(indices) for name, indices in entry["broken"].items()}
        return cls(tuple(entry["labels"]), tuple(entry["predictions"]), broken)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """All that one evaluation finds.

    Attributes:
        clean: Without attack.
        attacks: One by one, in the order in which they ran.
        worst_case: Against all attacks: a sample counts that none of them broke.
        classes: The same class by class; classes without a sample are left out.
        samples: The outcome of every sample.
        protocol: "independent", where every attack ran on every sample classified rightly, so that its number is
            its own; "cascade", where it ran on what those before it had left, so that its number is the worst case
            so far.
        seed: Of all random draws.
        batch_size: With which the work was begun; a further evaluation with it repeats this one.
        run: A digest of model, data, attacks and seed, by which records are told apart.
        checks: What speaks for and against these numbers.
        timings: Seconds by attack, over all runs that it took. Not in the JSON, which is the same whenever the
            evaluation is run again.
    """

    clean: Accuracy
    attacks: tuple[AttackResult, ...]
    worst_case: Accuracy
    classes: tuple[ClassResult, ...]
    samples: Samples
    protocol: Literal["independent", "cascade"]
    seed: int
    batch_size: int
    run: str
    checks: tuple[Check, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The content of `results.json`: plain lists, dicts, numbers and strings."""
        return {
            "schema": SCHEMA,
            "n": self.clean.n,
            "clean": self.clean.share,
            "clean_ci95": list(self.clean.ci95),
            "attacks": [attack.to_dict() for attack in self.attacks],
            "worst_case": self.worst_case.share,
            "worst_case_ci95": list(self.worst_case.ci95),
            "checks": [asdict(check) for check in self.checks],
            "classes": [row.to_dict() for row in self.classes],
            "protocol": self.protocol,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "run": self.run,
            "samples": asdict(self.samples),
        }

    def to_json(self) -> str:
        """`to_dict` as text; `from_json` gives the evaluation back, without its timings."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Evaluation":
        """The inverse of `to_dict`.

        Raises:
            InputError: The entry is not of this layout.
        """
        if entry.get("schema") != SCHEMA:
            raise InputError(f"results must be of layout {SCHEMA!r}; found {entry.get('schema')!r}")
        try:
            samples = Samples.from_dict(entry["samples"])
            n = len(samples.labels)
            return cls(
                clean=Accuracy(len(samples.correct), n),
                attacks=tuple(map(AttackResult.from_dict, entry["attacks"])),
                worst_case=Accuracy(len(samples.robust), n),
                classes=tuple(map(ClassResult.from_dict, entry["classes"])),
                samples=samples,
                protocol=entry["protocol"],
                seed=entry["seed"],
                batch_size=entry["batch_size"],
                run=entry["run"],
                checks=tuple(Check(**check) for check in entry["checks"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"an evaluation's JSON must be whole; found {type(error).__name__} ({error})") from error

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The inverse of `to_json`.

        Raises:
            InputError: The text is not JSON of this layout.
        """
        try:
            entry = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"results must be JSON; found an error at character {error.pos}: {error.msg}") from error
        if not isinstance(entry, dict):
            raise InputError(f"results must be a JSON object; found {type(entry).__name__}")
        return cls.from_dict(entry)

    def to_dataframe(self) -> Any:
        """One row for each attack, as a pandas DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        pandas = import_optional("pandas", package="pandas", extra="cli")
        return pandas.DataFrame([attack.to_dict() for attack in self.attacks])

    def __repr__(self) -> str:
        rows = [("clean", self.clean), *((attack.name, attack.robust) for attack in self.attacks)]
        rows.append(("worst case", self.worst_case))
        width = max(len(name) for name, _ in rows)
        lines = [f"  {name:{width}}  {accuracy!r}" for name, accuracy in rows]
        lines += [f"  {check.name}: {check.verdict}" for check in self.checks if check.verdict != "pass"]
        return "\n".join([f"Evaluation, {self.protocol} attacks:", *lines])
