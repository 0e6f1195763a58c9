"""How each method trains: the objective, with every setting that is tried for it.

A method's first setting is the one that is taken where no others are tried: the small net's best on Fashion-MNIST.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import FGSM, PGD
from ratlp.bounds import IntervalBound, interval_init_
from ratlp.losses import TRADES, AdversarialOnly, CrossEntropy
from ratlp.objective import LinearRamp, Schedule
from ratlp.perturbations import LInf, Propagated, rms_per_sample

EPS = 0.1
"""The input budget, L-inf, on pixels in [0, 1]."""
PIXELS = (0.0, 1.0)
LR, HIGH_LR = 1e-3, 4e-3
"""Adam's learning rates: the usual one, and the one that what trains against the input's budget is tried with too."""

Make = Callable[[nn.Module], nn.Module]
"""Builds the objective: it is called with a batch and gives what has a `.loss`."""


class StandardOutput(NamedTuple):
    """As the library's objective gives it."""

    loss: Tensor


class Standard(nn.Module):
    """Cross-entropy, as one would write it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> StandardOutput:
        """The mean cross-entropy of a batch."""
        return StandardOutput(cross_entropy(self.model(x), y))


@dataclass(frozen=True)
class Recipe:
    """One setting of one method.

    Attributes:
        method: Its name on the command line.
        layer: Where it perturbs; "" where it does not.
        setting: In words.
        make: Builds the objective.
        ramp: Whether eps rises linearly over the first half of the training.
        cost: What makes its steps cost other than those of the method's other settings, in words.
        lr: Adam's learning rate.
    """

    method: str
    layer: str
    setting: str
    make: Make = field(repr=False)
    ramp: bool = True
    cost: str = ""
    lr: float = LR

    @property
    def timed_as(self) -> str:
        """The same for settings whose steps cost the same."""
        return " ".join(part for part in (self.method, self.layer, self.cost) if part)

    @property
    def name(self) -> str:
        """For files."""
        parts = (self.method, self.layer, self.setting)
        return "_".join(part.replace(" ", "-").replace(",", "") for part in parts if part)

    def schedule(self, objective: nn.Module, steps: int) -> Callable[[], None]:
        """What to call after each step: it moves eps, where there is a ramp."""
        return Schedule(objective, eps=LinearRamp(over=max(1, steps // 2))).step if self.ramp else lambda: None


def recipes(method: str, layers: tuple[str, ...]) -> list[Recipe]:
    """Every setting of a method that is tried.

    Args:
        method: A key of `METHODS`.
        layers: The net's activations, from the input to the last.
    """
    return METHODS[method](layers)


def _standard(layers: tuple[str, ...]) -> list[Recipe]:
    return [Recipe("standard", "", "", Standard, ramp=False)]


def _ratlp(layers: tuple[str, ...]) -> list[Recipe]:
    def recipe(eps: float) -> Recipe:
        return Recipe("ratlp", layers[-1], f"eps {eps:g}", lambda m: RATLP(m, layer=layers[-1], eps=eps), ramp=False)

    return [recipe(1.0), recipe(0.1)]


def _relative(layers: tuple[str, ...]) -> list[Recipe]:
    def recipe(layer: str, eps: float) -> Recipe:
        def make(model: nn.Module) -> RATLP:
            return RATLP(model, layer=layer, perturbation=LInf(eps, relative_to=rms_per_sample))

        return Recipe("relative", layer, f"eps {eps:g}", make)

    first, last = layers[0], layers[-1]
    return [recipe(first, 0.2), recipe(first, 0.5), recipe(last, 0.5), recipe(last, 0.2)]


def _input(loss: type[CrossEntropy] | type[TRADES], maximiser: PGD | FGSM, weight: float = 1.0) -> Make:
    return lambda m: RATLP(
        m, layer="input", perturbation=LInf(EPS, bounds=PIXELS), maximiser=maximiser, loss=loss(), weight=weight
    )


def _steps(steps: int, step_size: float) -> PGD:
    return PGD(steps=steps, step_size=step_size, keep_best=False)


def _fgsm_rs(layers: tuple[str, ...]) -> list[Recipe]:
    """Wong, Rice and Kolter, arXiv 2001.03994: one step of 1.25 radii from a random start."""

    def recipe(setting: str, loss: type[CrossEntropy], step_size: float = 1.25, *, ramp: bool = True) -> Recipe:
        cost = "" if loss is AdversarialOnly else "clean term"
        return Recipe("fgsm-rs", "input", setting, _input(loss, _steps(1, step_size)), ramp, cost)

    long = recipe("step 1.25", AdversarialOnly)
    others = [
        recipe("step 1", AdversarialOnly, 1.0),
        recipe("step 1.25, no ramp", AdversarialOnly, ramp=False),
        recipe("clean term", CrossEntropy),
    ]
    return [_at_high_lr(long), long, *others, *map(_at_high_lr, others)]


def _pgd_7(layers: tuple[str, ...]) -> list[Recipe]:
    """Madry et al., arXiv 1706.06083."""

    def recipe(setting: str, make: Make, *, ramp: bool = True, cost: str = "") -> Recipe:
        return Recipe("pgd-7", "input", setting, make, ramp, cost)

    seven = recipe("step 0.25", _input(AdversarialOnly, _steps(7, 0.25)))
    others = [
        recipe("step 0.25, no ramp", _input(AdversarialOnly, _steps(7, 0.25)), ramp=False),
        recipe("step 0.36, no ramp", _input(AdversarialOnly, _steps(7, 2.5 / 7)), ramp=False),
        recipe("clean term", _input(CrossEntropy, _steps(7, 0.25)), cost="clean term"),
        recipe("10 steps, no ramp", _input(AdversarialOnly, _steps(10, 0.25)), ramp=False, cost="10 steps"),
    ]
    return [_at_high_lr(seven), seven, *others, *map(_at_high_lr, others)]


def _trades(layers: tuple[str, ...]) -> list[Recipe]:
    """Zhang et al., arXiv 1901.08573, with beta as the weight."""

    def recipe(setting: str, beta: float, maximiser: PGD, *, ramp: bool = False, cost: str = "") -> Recipe:
        return Recipe("trades", "input", setting, _input(TRADES, maximiser, beta), ramp, cost)

    at_usual_lr = [
        recipe("beta 6, no ramp", 6.0, _steps(7, 0.25)),
        recipe("beta 6", 6.0, _steps(7, 0.25), ramp=True),
        recipe("beta 3", 3.0, _steps(7, 0.25), ramp=True),
    ]
    others = [
        recipe("step 0.36, no ramp", 6.0, _steps(7, 2.5 / 7)),
        recipe("10 steps, no ramp", 6.0, _steps(10, 0.25), cost="10 steps"),
    ]
    best = recipe("beta 3, no ramp", 3.0, _steps(7, 0.25))
    return [*map(_at_high_lr, [best, *at_usual_lr, *others]), *at_usual_lr]


def _propagated(layers: tuple[str, ...]) -> list[Recipe]:
    found = []
    for number, layer in enumerate(layers):
        weights = [(5.0, 2.0, 1.0)[min(number, 2)]]  # the wider the boxes, the less weight they bear
        weights += [weight for weight in (1.0, 2.0, 5.0) if weight not in weights]
        tried = [_in_box(layer, f"weight {weight:g}", CrossEntropy, weight) for weight in weights]
        alone = _in_box(layer, "no clean term", AdversarialOnly)
        others = [tried[0], alone, _from_narrow(tried[0]), _from_narrow(alone)]
        best = others.pop((2, 0, 2)[min(number, 2)])  # by validation
        found += [*map(_at_high_lr, [best, *others]), *tried]
    return found


def _in_box(layer: str, setting: str, loss: type[CrossEntropy], weight: float = 1.0) -> Recipe:
    """A sign step in the box that the input's budget leads to."""
    cost = "no clean term" if loss is AdversarialOnly else ""
    return Recipe("propagated", layer, setting, _reached(layer, FGSM(), loss, weight), cost=cost)


def _reached(layer: str, maximiser: FGSM | IntervalBound, loss: type[CrossEntropy], weight: float) -> Make:
    """Over all latents that the input's budget leads to; a budget for each net, since ramps move its eps."""
    return lambda m: RATLP(
        m,
        layer=layer,
        perturbation=Propagated(EPS, bounds=PIXELS),
        maximiser=maximiser,
        loss=loss(),
        weight=weight,
    )


def _interval(layers: tuple[str, ...]) -> list[Recipe]:
    """Gowal et al., arXiv 1810.12715."""

    def recipe(setting: str, loss: type[CrossEntropy] = CrossEntropy, weight: float = 1.0) -> Recipe:
        return Recipe("interval", "input", setting, _reached("input", IntervalBound(), loss, weight))

    alone = recipe("no clean term", AdversarialOnly)
    narrow = _from_narrow(alone)
    return [_at_high_lr(narrow), _at_high_lr(alone), narrow, alone, recipe("weight 1"), recipe("weight 5", weight=5.0)]


def _from_narrow(recipe: Recipe) -> Recipe:
    """The same from weights under which intervals stay narrow (Shi et al., arXiv 2103.17268)."""
    return replace(
        recipe, setting=f"{recipe.setting}, interval init", make=lambda model: recipe.make(interval_init_(model))
    )


def _at_high_lr(recipe: Recipe) -> Recipe:
    return replace(recipe, setting=", ".join(filter(None, (recipe.setting, f"lr {HIGH_LR:g}"))), lr=HIGH_LR)


METHODS: dict[str, Callable[[tuple[str, ...]], list[Recipe]]] = {
    "standard": _standard,
    "ratlp": _ratlp,
    "relative": _relative,
    "fgsm-rs": _fgsm_rs,
    "pgd-7": _pgd_7,
    "trades": _trades,
    "propagated": _propagated,
    "interval": _interval,
}
