"""The work, piece by piece: train every setting, the close ones with more seeds, and choose one by validation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import torch
from torch import nn

from robust_training.data import Data
from robust_training.folder import Folder
from robust_training.nets import NETS, activations
from robust_training.recipes import Recipe, recipes
from robust_training.training import train

CLOSE = 0.5
"""Points of the score: so near to the best, a setting is tried with every seed."""

Image = tuple[int, int, int]


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        net: A key of `NETS`.
        data: The images.
        methods: Keys of `METHODS`.
        epochs: Of every training.
        seeds: How many; every setting is tried with the first, those close to the best with all.
        tune: Whether every setting is tried; otherwise each method's first alone.
        layers: Where methods in the latent are tried; at each layer of theirs where None.
    """

    net: str
    data: Data
    methods: tuple[str, ...]
    epochs: int
    seeds: int
    tune: bool
    layers: Sequence[str] | None = None

    def build(self, seed: int) -> nn.Module:
        """The net with the initial weights of a seed."""
        torch.manual_seed(seed)
        image: Image = tuple(self.data.test[0].shape[1:])
        return NETS[self.net](image, classes=int(self.data.test[1].max()) + 1)

    def groups(self) -> list[list[Recipe]]:
        """The settings among which one is chosen: those of a method, at a layer where it is tried at several."""
        layers = activations(self.build(0))
        found: list[list[Recipe]] = []
        for method in self.methods:
            every = [recipe for recipe in recipes(method, layers) if self._wants(recipe)]
            by_layer = [[r for r in every if r.layer == layer] for layer in dict.fromkeys(r.layer for r in every)]
            found += [group if self.tune else group[:1] for group in by_layer]
        return found

    def _wants(self, recipe: Recipe) -> bool:
        return self.layers is None or recipe.layer in ("", "input", *self.layers)


def name_of(plan: Plan, recipe: Recipe, seed: int) -> str:
    """For files."""
    return f"{plan.net}_{recipe.name}_seed-{seed}"


def trainings(plan: Plan, folder: Folder, *, say: Callable[[str], None]) -> Iterator[tuple[Recipe, list[Any], bool]]:
    """Train what is missing; give each setting with the runs of its seeds, and whether it is the chosen one.

    Every setting is trained with the first seed, those that come close to the best with all; of these the best mean
    is chosen: one seed and a thousand images do not tell settings apart that are half a point from each other.
    """
    for group in plan.groups():
        found = {recipe: [_trained(plan, recipe, 0, folder, say)] for recipe in group}
        best = max(map(_score, found.values()))
        close = [recipe for recipe in group if round(best - _score(found[recipe]), 3) <= CLOSE]
        for recipe in close:
            found[recipe] += [_trained(plan, recipe, seed, folder, say) for seed in range(1, plan.seeds)]
        chosen = max(close, key=lambda recipe: _score(found[recipe]))
        for recipe in group:
            yield recipe, found[recipe], recipe is chosen


def _score(runs: Sequence[Any]) -> float:
    return mean(run["score"] for run in runs)


def _trained(plan: Plan, recipe: Recipe, seed: int, folder: Folder, say: Callable[[str], None]) -> Any:
    name = name_of(plan, recipe, seed)
    run = folder.read(f"runs/{name}.json")
    if run is None:
        net = plan.build(seed)
        run = asdict(train(net, recipe, plan.data, epochs=plan.epochs, seed=seed))
        folder.keep_model(name, net, run)
        say(f"{name}: validation {run['clean']:.1f} clean, {run['attacked']:.1f} attacked, {run['seconds']:.0f} s")
    return run
