"""What there is to see of an attacked model: examples, the plane of the inputs, latents on a plane."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ratlp.assessment.plan import Plan
from ratlp.assessment.projection import Plane
from ratlp.data import Source
from ratlp.evaluation import Examples, adversarial_examples
from ratlp.latent.batch import call_model, logits_of
from ratlp.latent.calls import last_taken
from ratlp.latent.layers import INPUT
from ratlp.latent.on_loan import on_loan

_TICKS = 241


@dataclass(frozen=True)
class Regions:
    """What a model makes of each point of a plane of inputs.

    Attributes:
        columns: The first input's values, `[columns]`.
        rows: The second's, `[rows]`.
        logits: `[rows, columns, classes]`.
    """

    columns: Tensor
    rows: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Moved:
    """Samples and where an attack moved them, on the plane in which their latents spread most.

    Attributes:
        layer: Where the attack was: "input", or a layer's name.
        where: Whose values are shown, in words.
        clean: `[n, 2]`.
        adversarial: `[n, 2]`.
        broken: `[n]`, whether the attack turned the sample from right to wrong.
        shares: Of the variance of the clean latents along each axis.
    """

    layer: str
    where: str
    clean: Tensor
    adversarial: Tensor
    broken: Tensor
    shares: tuple[float, float]


@dataclass(frozen=True)
class Views:
    """All there is to see.

    Attributes:
        labels: `[n]`, of the samples shown.
        examples: These under the primary attack on the input; None where the input was not attacked.
        image: (channels, height, width), where inputs are images.
        regions: Where inputs are points of a plane.
        latents: One for each place that was attacked.
    """

    labels: Tensor
    examples: Examples | None
    image: tuple[int, int, int] | None
    regions: Regions | None
    latents: tuple[Moved, ...]


def views(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, source: Source) -> Views:
    """Attack the first samples again, and keep what can be seen; the model stays as it is.

    Args:
        model: As in `assess`; likewise `x`, `y` and `plan`.
        x: Inputs.
        y: Labels.
        plan: Its first `few` samples are shown.
        source: Says whether inputs are images.

    Example:
        >>> from ratlp.assessment.plan import Budget
        >>> from ratlp.data import Moons
        >>> source = Moons(n=50)
        >>> split, plan = source.draw(0), Plan(("pgd",), "linf", {"input": Budget((0.1,))})
        >>> seen = views(nn.Linear(2, 2), split.x_test, split.y_test, plan, source)
        >>> seen.regions.logits.shape, seen.latents[0].clean.shape
        (torch.Size([241, 241, 2]), torch.Size([10, 2]))
    """
    x, y = x[: plan.few], y[: plan.few]
    found = {
        layer: adversarial_examples(model, x, y, plan.primary(layer), batch_size=plan.batch_size, seed=plan.seed)
        for layer in plan.budgets
    }
    with on_loan(model):
        latents = [_moved(model, layer, examples) for layer, examples in found.items()]
        examples = found.get(INPUT)
        plane = examples is not None and tuple(x.shape[1:]) == (2,)
        regions = _regions(model, x) if plane else None
    return Views(y.cpu(), examples, source.image, regions, tuple(one for one in latents if one is not None))


def _moved(model: nn.Module, layer: str, examples: Examples) -> Moved | None:
    ends = [examples.points, examples.points + examples.delta]
    where = f"the output of {layer!r}"
    if layer == INPUT:
        found = [last_latent(model, end) for end in ends]
        if any(latent is None or len(latent) != len(ends[0]) for latent in found):
            return None
        ends, where = [latent for latent in found if latent is not None], "what the last layer reads"
    plane = Plane.of(ends[0])
    clean, adversarial = map(plane.project, ends)
    return Moved(layer, where, clean, adversarial, examples.broken.cpu(), plane.shares)


def last_latent(model: nn.Module, x: Tensor) -> Tensor | None:
    """What the last module with weights of its own reads: the last latent, `[n, *latent]`; None where there is none.

    Example:
        >>> last_latent(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)), torch.zeros(5, 2)).shape
        torch.Size([5, 8])
    """
    weighted = {module for module in model.modules() if next(module.parameters(recurse=False), None) is not None}
    found = last_taken(model, weighted, x)
    return found if found is not None and found.is_floating_point() else None


def _regions(model: nn.Module, x: Tensor) -> Regions:
    low, high = x.amin(0), x.amax(0)
    pad = 0.1 * (high - low).clamp_min(1e-3)
    columns, rows = (
        torch.linspace(first, last, _TICKS, dtype=torch.float64)
        for first, last in zip((low - pad).tolist(), (high + pad).tolist(), strict=True)
    )
    grid = torch.cartesian_prod(rows, columns).flip(1).to(x)
    with torch.no_grad():
        logits = logits_of(call_model(model, grid))
    return Regions(columns, rows, logits.view(_TICKS, _TICKS, -1).cpu())
