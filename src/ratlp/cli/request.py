"""What `ratlp evaluate` and `ratlp compare` are asked for: options in common, and the plan that they make."""

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ratlp.assessment import Budget, Plan
from ratlp.assessment.plan import SUITES, attack_names
from ratlp.cli.options import (
    DEFAULT_EPS,
    BoundsOption,
    DataOption,
    LabelOption,
    NormOption,
    bounds_of,
    names,
    numbers,
    spelled_out,
)
from ratlp.data import Source
from ratlp.errors import InputError
from ratlp.latent.layers import INPUT
from ratlp.perturbations import Norm


@dataclass(frozen=True)
class Request:
    """The options in common, as they were given."""

    data: DataOption
    layer: Annotated[
        list[str] | None, typer.Option(help="Also attack the output of this layer; again for several.")
    ] = None
    norm: NormOption = "linf"
    eps: Annotated[
        list[str] | None,
        typer.Option(
            help="Radii such as 0.1,0.05,0.2: all attacks have the first, the curve all "
            f"(default: {','.join(DEFAULT_EPS)})."
        ),
    ] = None
    latent_eps: Annotated[list[str] | None, typer.Option(help="Radii at layers (default: those of --eps).")] = None
    relative: Annotated[
        bool, typer.Option("--relative", help="Radii at layers are multiples of each latent's root mean square.")
    ] = False
    bounds: BoundsOption = None
    samples: Annotated[int, typer.Option(min=1, help="So many of the test part, the first ones.")] = 1000
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Samples at once (default: what fits in memory)."),
    ] = None
    attacks: Annotated[str, typer.Option(help=f"{', '.join(SUITES)}, or names: {', '.join(attack_names())}.")] = "quick"
    checks: Annotated[bool, typer.Option(help="Look for what would spoil the numbers.")] = True
    certify: Annotated[bool, typer.Option(help="Also prove what no attack can break.")] = False
    seed: Annotated[int, typer.Option(min=0, help="Of the attacks, and of the data's split.")] = 0
    label: LabelOption = "label"

    def plan(self, source: Source) -> Plan:
        """What is to be found out.

        Raises:
            InputError: An option is out of its range.
            MissingExtraError: An attack needs a package that is not installed.
        """
        radii = numbers(self.eps or DEFAULT_EPS, "eps")
        latent = numbers(self.latent_eps, "latent-eps") if self.latent_eps else radii
        if not self.layer and (self.latent_eps or self.relative):
            raise InputError("--latent-eps and --relative are for layers; found no --layer: name one")
        layers = {layer: Budget(latent, self.relative) for layer in self.layer or () if layer != INPUT}
        plan = Plan(
            names([self.attacks]),
            cast(Norm, self.norm),  # what it is not, the suite refuses
            {INPUT: Budget(radii), **layers},
            bounds_of(self.bounds, source),
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
        given: dict[str, Any] = {"norm": self.norm, "eps": ",".join(self.eps or DEFAULT_EPS)}
        given |= {"latent-eps": self.latent_eps and ",".join(self.latent_eps), "bounds": self.bounds}
        given |= {"samples": self.samples, "batch-size": self.batch_size, "attacks": self.attacks}
        given |= {"seed": self.seed, "label": self.label}
        words += [*spelled_out(given), *["--relative"] * self.relative]
        words += ["--checks" if self.checks else "--no-checks", "--certify" if self.certify else "--no-certify"]
        return shlex.join(words)


def with_request(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `request` stands for the fields of `Request`, each an option of its own.

    What is required comes first, as in every signature.

    Example:
        >>> @with_request
        ... def show(model: str, *, request: Request, out: str = "") -> None:
        ...     print(model, request.data, request.norm)
        >>> show(model="mlp", data="moons", norm="l2")
        mlp moons l2
        >>> list(inspect.signature(show).parameters)[:4]
        ['model', 'data', 'layer', 'norm']
    """
    options = inspect.signature(Request).parameters
    parameters: list[inspect.Parameter] = []
    for name, own in inspect.signature(command).parameters.items():
        parameters += options.values() if name == "request" else [own]
    parameters.sort(key=lambda parameter: parameter.default is not parameter.empty)

    @wraps(command)
    def with_options(**given: Any) -> None:
        request = Request(**{name: given.pop(name) for name in options if name in given})
        command(**given, request=request)

    by_name = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
    with_options.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    return with_options
