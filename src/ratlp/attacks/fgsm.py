"""The fast gradient sign method: one step along the gradient at the clean point."""

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser


class FGSM(Maximiser):
    r"""d = argmax over d in S of <gradient, d>; in the L-inf ball d = eps * sign(gradient).

    Goodfellow, Shlens and Szegedy (arXiv 1412.6572); RAT-LP's section 3.3 takes this step in latent space. With
    several layers each takes its step from the one shared gradient, as in SLAT (Park and Lee, arXiv 2104.01575).
    It needs no gradient beside the one at the clean point.

    Example:
        >>> import torch
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> FGSM()(InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)]))
        (tensor([[ 0.5000, -0.5000]]),)
    """

    starts_at_zero = True
    single_step = True

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The maximiser of the loss's linearisation at the clean point."""
        return problem.linear_maximum(problem.gradients)

    def __repr__(self) -> str:
        return "FGSM()"
