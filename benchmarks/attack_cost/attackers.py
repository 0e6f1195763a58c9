"""The same attack by each package, as its documentation has one call it.

Each way returns, for every sample, an input that the net misclassifies where one was found. Peers are imported where
they are used.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import APGD, PGD, InnerProblem, Maximiser
from ratlp.evaluation import Attack, adversarial_examples
from ratlp.losses import dlr, log_odds
from ratlp.perturbations import LInf

PIXELS = (0.0, 1.0)
CLASSES = 10


@dataclass(frozen=True)
class Settings:
    """Of an attack in the L-inf ball, from random starts.

    Attributes:
        eps: The radius, in units of a pixel in [0, 1].
        steps: Gradients per restart.
        restarts: Random starts.
    """

    eps: float
    steps: int
    restarts: int

    @property
    def step_size(self) -> float:
        """Of PGD, in units of a pixel: 2.5 * eps / steps, as Madry et al. (arXiv 1706.06083) have it."""
        return 2.5 * self.eps / self.steps

    @property
    def ball(self) -> LInf:
        """Within the pixels' range."""
        return LInf(self.eps, bounds=PIXELS)

    @property
    def pgd(self) -> PGD:
        """Ours."""
        return PGD(steps=self.steps, step_size=self.step_size / self.eps, restarts=self.restarts)


Run = Callable[[Tensor, Tensor], Tensor]
"""Maps inputs and labels to perturbed inputs."""

Make = Callable[[nn.Module, Settings], Run]
"""Raises ImportError where its package is not installed."""


def ratlp_on_all(net: nn.Module, settings: Settings) -> Run:
    """PGD on cross-entropy that takes all steps on all samples; the points of highest loss."""

    def run(x: Tensor, y: Tensor) -> Tensor:
        problem = InnerProblem(lambda d: cross_entropy(net(x + d[0]), y, reduction="none"), [x], [settings.ball])
        return x + settings.pgd(problem)[0]

    return run


def ratlp_pgd(net: nn.Module, settings: Settings) -> Run:
    """As the library evaluates: a sample is let go of once it is misclassified."""
    return _ratlp(net, Attack("pgd", settings.pgd, settings.ball))


def ratlp_apgd_ce(net: nn.Module, settings: Settings) -> Run:
    """APGD on cross-entropy, as `log_odds`."""
    return _ratlp(net, Attack("apgd-ce", _apgd(settings), settings.ball, log_odds))


def ratlp_apgd_dlr(net: nn.Module, settings: Settings) -> Run:
    """APGD on the difference of logits ratio."""
    return _ratlp(net, Attack("apgd-dlr", _apgd(settings), settings.ball, dlr))


def _apgd(settings: Settings) -> Maximiser:
    return APGD(steps=settings.steps, restarts=settings.restarts)


def _ratlp(net: nn.Module, attack: Attack) -> Run:
    return lambda x, y: x + adversarial_examples(net, x, y, attack, batch_size=len(x)).delta


def foolbox(net: nn.Module, settings: Settings) -> Run:
    """`LinfPGD`, repeated: all steps on all samples."""
    from foolbox import PyTorchModel
    from foolbox.attacks import LinfPGD

    model = PyTorchModel(net, bounds=PIXELS, device="cpu")
    pgd = LinfPGD(abs_stepsize=settings.step_size, steps=settings.steps).repeat(settings.restarts)
    return lambda x, y: pgd(model, x, y, epsilons=settings.eps)[1]


def art(net: nn.Module, settings: Settings) -> Run:
    """`ProjectedGradientDescentPyTorch` with random initialisations: all steps on all samples."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    def run(x: Tensor, y: Tensor) -> Tensor:
        classifier = PyTorchClassifier(
            net, nn.CrossEntropyLoss(), tuple(x.shape[1:]), CLASSES, clip_values=PIXELS, device_type="cpu"
        )
        pgd = ProjectedGradientDescentPyTorch(
            classifier,
            norm=math.inf,
            eps=settings.eps,
            eps_step=settings.step_size,
            max_iter=settings.steps,
            num_random_init=settings.restarts,
            batch_size=len(x),
            verbose=False,
        )
        return torch.from_numpy(pgd.generate(x.numpy(), y.numpy()))

    return run


def torchattacks(net: nn.Module, settings: Settings) -> Run:
    """`PGD`, with the restarts by hand: the package has none that take all samples."""
    pgd = _torchattacks_pgd(net, settings)

    def run(x: Tensor, y: Tensor) -> Tensor:
        found = x
        for _ in range(settings.restarts):
            moved = pgd(x, y)
            with torch.no_grad():
                wrong = net(moved).argmax(1) != y
            found = torch.where(wrong.view(-1, *[1] * (x.dim() - 1)), moved, found)
        return found

    return run


def torchattacks_multi(net: nn.Module, settings: Settings) -> Run:
    """`MultiAttack` of as many `PGD`s as there are restarts: each on the samples that those before it left."""
    from torchattacks import MultiAttack

    pgds = [_torchattacks_pgd(net, settings) for _ in range(settings.restarts)]
    attack: Run = MultiAttack(pgds) if len(pgds) > 1 else pgds[0]
    return attack


def _torchattacks_pgd(net: nn.Module, settings: Settings) -> Run:
    from torchattacks import PGD as TheirPGD  # noqa: N811

    attack: Run = TheirPGD(net, eps=settings.eps, alpha=settings.step_size, steps=settings.steps)
    return attack


def pyautoattack_apgd_ce(net: nn.Module, settings: Settings) -> Run:
    """`APGDAttack` on cross-entropy."""
    return _pyautoattack_apgd(net, settings, "ce")


def pyautoattack_apgd_dlr(net: nn.Module, settings: Settings) -> Run:
    """`APGDAttack` on the difference of logits ratio."""
    return _pyautoattack_apgd(net, settings, "dlr")


def _pyautoattack_apgd(net: nn.Module, settings: Settings, loss: str) -> Run:
    from pyautoattack.autopgd_base import APGDAttack

    attack = APGDAttack(
        net, n_iter=settings.steps, n_restarts=settings.restarts, eps=settings.eps, loss=loss, device="cpu"
    )
    return lambda x, y: attack.perturb(x, y)


def autoattack(net: nn.Module, settings: Settings) -> Run:
    """AutoAttack, standard: its steps and restarts are its own."""
    from pyautoattack import AutoAttack

    attack = AutoAttack(net, norm="Linf", eps=settings.eps, version="standard", seed=0, device="cpu")

    def run(x: Tensor, y: Tensor) -> Tensor:
        moved = attack.run_standard_evaluation(x, y, batch_size=len(x))
        return moved[0] if isinstance(moved, tuple) else moved

    return run


Makers = Mapping[str, Make]

ON_ALL: Makers = {"ratlp": ratlp_on_all, "foolbox": foolbox, "ART": art, "torchattacks": torchattacks}
"""PGD that takes all steps on all samples."""

LETTING_GO: Makers = {"ratlp": ratlp_pgd, "torchattacks": torchattacks_multi}
"""PGD that lets go of samples that are broken: at once, and between restarts."""

SAME_ATTACK: Mapping[str, Makers] = {
    "PGD": {**ON_ALL, "ratlp": ratlp_pgd},
    "APGD-CE": {"ratlp": ratlp_apgd_ce, "pyautoattack": pyautoattack_apgd_ce},
    "APGD-DLR": {"ratlp": ratlp_apgd_dlr, "pyautoattack": pyautoattack_apgd_dlr},
}
"""By the attack's name, who runs it."""
