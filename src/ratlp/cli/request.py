"""What `ratlp evaluate` and `ratlp compare` are asked for: options in common, and the plan that they make."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ratlp.assessment import Budget, Plan
from ratlp.data import Source
from ratlp.errors import InputError
from ratlp.latent.layers import INPUT
from ratlp.perturbations import Norm

DataOption = Annotated[
    str, typer.Option("--data", help="moons, digits, a folder of IDX files, or a .npz, .csv or .parquet file.")
]
LayerOption = Annotated[
    list[str] | None, typer.Option("--layer", help="Also attack the output of this layer; again for several.")
]
NormOption = Annotated[str, typer.Option("--norm", help="linf or l2.")]
EpsOption = Annotated[
    list[str] | None,
    typer.Option("--eps", help="Radii such as 0.1,0.05,0.2: all attacks have the first, the curve all (default: 0.1)."),
]
LatentEpsOption = Annotated[
    list[str] | None, typer.Option("--latent-eps", help="Radii at layers (default: those of --eps).")
]
RelativeOption = Annotated[
    bool, typer.Option("--relative", help="Radii at layers are multiples of each latent's root mean square.")
]
BoundsOption = Annotated[
    str | None, typer.Option("--bounds", help="Of the inputs, such as 0,1, or none (default: the data's own).")
]
SamplesOption = Annotated[int, typer.Option("--samples", min=1, help="So many of the test part, the first ones.")]
BatchSizeOption = Annotated[
    int | None, typer.Option("--batch-size", min=1, help="Samples at once (default: what fits in memory).")
]
AttacksOption = Annotated[
    str,
    typer.Option(
        "--attacks",
        help="quick, full, or names: fgsm, pgd, apgd-ce, apgd-dlr, apgd-t, square, noise, autoattack.",
    ),
]
ChecksOption = Annotated[bool, typer.Option("--checks/--no-checks", help="Look for what would spoil the numbers.")]
CertifyOption = Annotated[bool, typer.Option("--certify/--no-certify", help="Also prove what no attack can break.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the attacks, and of the data's split.")]
LabelOption = Annotated[str, typer.Option("--label", help="Label column of a .csv or .parquet file.")]


@dataclass(frozen=True)
class Request:
    """The options in common, as they were given."""

    data: str
    layer: list[str] | None
    norm: str
    eps: list[str] | None
    latent_eps: list[str] | None
    relative: bool
    bounds: str | None
    samples: int
    batch_size: int | None
    attacks: str
    checks: bool
    certify: bool
    seed: int
    label: str

    def plan(self, source: Source) -> Plan:
        """What is to be found out.

        Raises:
            InputError: An option is out of its range.
            MissingExtraError: An attack needs a package that is not installed.
        """
        radii = numbers(self.eps or ["0.1"], "eps")
        latent = numbers(self.latent_eps, "latent-eps") if self.latent_eps else radii
        if not self.layer and (self.latent_eps or self.relative):
            raise InputError("--latent-eps and --relative are for layers; found no --layer: name one")
        layers = {layer: Budget(latent, self.relative) for layer in self.layer or () if layer != INPUT}
        plan = Plan(
            tuple(name.strip() for name in self.attacks.split(",")),
            cast(Norm, self.norm),  # what it is not, the suite refuses
            {INPUT: Budget(radii), **layers},
            _bounds(self.bounds, source),
            seed=self.seed,
            batch_size=self.batch_size,
            checks=self.checks,
            certify=self.certify,
        )
        plan.suite()  # refuses unknown names before any work
        return plan

    def command(self, name: str, models: Sequence[str], weights: Sequence[Path]) -> str:
        """The command line that runs it again, all options spelled out but `--out`."""
        words = ["ratlp", name, *models, *(f"--weights={file}" for file in weights), f"--data={self.data}"]
        words += [f"--layer={layer}" for layer in self.layer or ()]
        given: dict[str, Any] = {"norm": self.norm, "eps": ",".join(self.eps or ["0.1"])}
        given |= {"latent-eps": self.latent_eps and ",".join(self.latent_eps), "bounds": self.bounds}
        given |= {"samples": self.samples, "batch-size": self.batch_size, "attacks": self.attacks}
        given |= {"seed": self.seed, "label": self.label}
        words += [f"--{option}={value}" for option, value in given.items() if value is not None]
        words += ["--relative"] * self.relative
        words += ["--checks" if self.checks else "--no-checks", "--certify" if self.certify else "--no-certify"]
        return shlex.join(words)


def numbers(texts: Sequence[str], option: str) -> tuple[float, ...]:
    """Numbers with commas between them.

    Raises:
        InputError: One is none.

    Example:
        >>> numbers(["0.1,0.2", "0.3"], "eps")
        (0.1, 0.2, 0.3)
    """
    try:
        return tuple(float(text) for part in texts for text in part.split(","))
    except ValueError:
        raise InputError(f"{option} must be numbers, such as 0.05,0.1; found {','.join(texts)!r}") from None


def _bounds(text: str | None, source: Source) -> tuple[float, float] | None:
    if text is None:
        return source.bounds
    if text == "none":
        return None
    low, *rest = numbers([text], "bounds")
    if len(rest) != 1:
        raise InputError(f"bounds must be two numbers, such as 0,1, or none; found {text!r}")
    return low, rest[0]
