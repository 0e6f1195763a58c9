"""The paper's theorem (section 4.2) with the right constants.

The paper takes the loss to be 1-Lipschitz in the logits and normalises L_g to 1, and finds

    max over ||d|| <= eps of loss(g(z + d), y) <= loss(g(z), y) + eps.

Cross-entropy's gradient in the logits is softmax - onehot(y), with L1 norm 2 (1 - p_y): under L-inf it is
2-Lipschitz, not 1-Lipschitz. And L_g is a property of the trained head, which nothing holds at 1.
"""

CROSS_ENTROPY_LIPSCHITZ = 2.0
"""The Lipschitz constant of cross-entropy in the logits under L-inf: sup of 2 (1 - p_y)."""


def loss_increase_bound(*, lipschitz: float, eps: float) -> float:
    """How much cross-entropy can rise at most when the latent moves by eps in L-inf: 2 * L_g * eps.

    Args:
        lipschitz: L_g, a Lipschitz constant of g under L-inf on both sides (`bounds.linf_norm` of a linear
            head).
        eps: Radius of the latent perturbation, in units of the latent.

    Example:
        >>> loss_increase_bound(lipschitz=1.0, eps=0.25)
        0.5
    """
    return CROSS_ENTROPY_LIPSCHITZ * lipschitz * eps
