"""The fast gradient sign method: one step along the gradient at the clean point."""

from torch import Tensor

from ratlp.attacks.base import InnerProblem, Maximiser


class FGSM(Maximiser):
    r"""d = argmax over d in S of <gradient, d>; in the L-inf ball d = eps * sign(gradient).

    Goodfellow, Shlens and Szegedy (arXiv 1412.6572); RAT-LP's section 3.3 takes this step in latent space.
    It needs no gradient beside the one at the clean point.

    Example:
        >>> import torch
        >>> from ratlp.perturbations import LInf
        >>> problem = InnerProblem(lambda z: (z**2).sum(), torch.tensor([3.0, -1.0]), LInf(0.5))
        >>> FGSM()(problem)
        tensor([ 0.5000, -0.5000])
    """

    def __call__(self, problem: InnerProblem) -> Tensor:
        """The maximiser of the loss's linearisation at the clean point."""
        return problem.perturbation.linear_maximum(problem.gradient, problem.point)

    def __repr__(self) -> str:
        return "FGSM()"
