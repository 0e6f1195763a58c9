"""The theorem as a certificate of a model: per sample, how far its latent and its input may move."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ratlp.bounds import LipschitzParts, lipschitz_parts, pairwise_norm
from ratlp.bounds.lipschitz import LastLayer, last_layer
from ratlp.bounds.rounding import in_float64, rounded_up
from ratlp.certificates.inputs import check_inputs
from ratlp.certificates.json_kinds import finite_or_none
from ratlp.certificates.radius import linear_head_radius, lipschitz_radius
from ratlp.certificates.theorem import CROSS_ENTROPY_LIPSCHITZ
from ratlp.classification import check_batch_size, check_labels_in_range, first_logits, model_logits
from ratlp.errors import InputError
from ratlp.latent.calls import last_taken, uncompiled
from ratlp.latent.on_loan import on_loan
from ratlp.perturbations import Norm
from ratlp.proportions import Accuracy

Form = Literal["closed-form", "last-layer", "logits"]


@dataclass(frozen=True, eq=False)
class LipschitzCertificate:
    """What Lipschitz constants prove about a model on a batch.

    Attributes:
        parts: L_f and L_g at the layer, and that of the whole model.
        form: How margins were bounded: "closed-form" (a linear head on the latent: the latent radius is exact),
            "last-layer" (margins of the last linear layer behind a Lipschitz map) or "logits" (2 L_g, sqrt(2) L_g).
        latent_radius: `[batch]`: no latent nearer than that, in `parts.norm`, has another class; 0 for a sample that
            is not classified as its label, inf where nothing can change the class.
        input_radius: `[batch]`: likewise for the input; the latent radius / L_f where nothing passes the latent by.
        loss_slope: `[batch]`: cross-entropy rises by at most this for each unit that the latent moves.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> x, y = torch.randn(5, 2), torch.randint(3, (5,))
        >>> certificate = certify_lipschitz(model, x, y, layer="1")
        >>> certificate.form, certificate.latent_radius.shape
        ('closed-form', torch.Size([5]))
        >>> certificate.accuracy(input_eps=0.1).share <= certificate.accuracy(input_eps=0.0).share
        True
    """

    parts: LipschitzParts
    form: Form
    latent_radius: Tensor
    input_radius: Tensor
    loss_slope: Tensor

    def loss_increase(self, eps: float) -> Tensor:
        """How much each sample's cross-entropy rises at most when its latent moves by eps: `[batch]`."""
        if not eps >= 0:
            raise InputError(f"eps must be >= 0; found {eps}")
        return rounded_up(self.loss_slope * eps, 1)

    def accuracy(self, *, input_eps: float | None = None, latent_eps: float | None = None) -> Accuracy:
        """How many samples keep their label under every perturbation up to eps, with the interval of their share.

        Args:
            input_eps: Radius in input space; give this or the other.
            latent_eps: Radius in latent space.

        Raises:
            InputError: Both are given, or none, or a negative one.
        """
        if (input_eps is None) == (latent_eps is None):
            raise InputError(f"give input_eps or latent_eps; found {input_eps} and {latent_eps}")
        radius, eps = (self.latent_radius, latent_eps) if input_eps is None else (self.input_radius, input_eps)
        assert eps is not None
        if not eps >= 0:
            raise InputError(f"eps must be >= 0; found {eps}")
        return Accuracy(int((radius > eps).sum()), len(radius))

    def to_dict(self) -> dict[str, Any]:
        """The certificate as JSON knows it; null for an infinite radius."""
        return {
            **self.parts.to_dict(),
            "form": self.form,
            "latent_radius": finite_or_none(self.latent_radius.tolist()),
            "input_radius": finite_or_none(self.input_radius.tolist()),
            "loss_slope": self.loss_slope.tolist(),
        }


def certify_lipschitz(
    model: nn.Module, x: Tensor, y: Tensor, *, layer: str, norm: Norm = "linf", batch_size: int = 1000
) -> LipschitzCertificate:
    """Certify each sample of a batch by Lipschitz constants, in latent and in input space.

    The model's weights are taken as they are and its arithmetic as exact up to what the last linear layer takes (or
    up to the logits where it does not end in one); from there on all is computed in float64 and rounded to the safe
    side. The model is certified as it is in evaluation mode, and is left as it was, also on error.

    Args:
        model: A classifier of one input tensor.
        x: `[batch, *input]`, float32 or float64, on the model's device.
        y: `[batch]`, the labels, int64.
        layer: Whose output is the latent, as in `RATLP`.
        norm: Of perturbations.
        batch_size: Samples per forward pass.

    Raises:
        InputError: An argument does not fit, or the data and the model do not.
        LayerError: The layer is unknown, or is called other than once.
        BoundError: An assumption is not met; the message names it.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False))
        >>> _ = nn.init.eye_(model[0].weight)
        >>> certificate = certify_lipschitz(model, torch.tensor([[3.0, 1.0]]), torch.tensor([0]), layer="input")
        >>> round(float(certificate.input_radius), 9)
        1.0
    """
    check_inputs(x, y)
    check_batch_size(batch_size)
    model, shape, batches = uncompiled(model), tuple(x.shape[1:]), x.split(batch_size)
    with torch.no_grad(), on_loan(model):
        first = first_logits(model, batches[0])
        check_labels_in_range(y, first.shape[1])
        parts = lipschitz_parts(model, layer=layer, norm=norm, input_shape=shape)
        head = last_layer(model, layer=layer, norm=norm, input_shape=shape)
        if head is None:
            others = (model_logits(model, batch, n=len(batch)) for batch in batches[1:])
            return _by_logits(parts, torch.cat([first, *others]), y)
        return _by_last_layer(parts, head, torch.cat([taken_by(head.module, model, batch) for batch in batches]), y)


def _by_logits(parts: LipschitzParts, logits: Tensor, y: Tensor) -> LipschitzCertificate:
    slope = rounded_up(CROSS_ENTROPY_LIPSCHITZ[parts.norm] * parts.g, 2)
    return LipschitzCertificate(
        parts,
        "logits",
        latent_radius=lipschitz_radius(logits, y, lipschitz=parts.g, norm=parts.norm),
        input_radius=lipschitz_radius(logits, y, lipschitz=parts.whole, norm=parts.norm),
        loss_slope=torch.full((len(y),), slope, dtype=torch.float64),
    )


def _by_last_layer(parts: LipschitzParts, head: LastLayer, features: Tensor, y: Tensor) -> LipschitzCertificate:
    bias: Tensor | None = head.module.bias

    def radius(lipschitz: float) -> Tensor:
        return linear_head_radius(head.module.weight, bias, features, y, norm=parts.norm, lipschitz=lipschitz)

    latent_radius = radius(head.g)  # checks y
    slopes = pairwise_norm(in_float64(head.module.weight), y.to(in_float64(features).device), norm=parts.norm)
    return LipschitzCertificate(
        parts,
        "closed-form" if head.takes_latent else "last-layer",
        latent_radius=latent_radius,
        input_radius=radius(head.f),
        loss_slope=rounded_up(slopes * head.g, features.shape[1] + 4),
    )


def taken_by(head: nn.Module, model: nn.Module, x: Tensor) -> Tensor:
    """What a classifier's last layer takes in a forward, `[batch, features]` where its logits are `[batch, classes]`.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> taken_by(model[1], model, torch.ones(1, 2, 2))
        tensor([[1., 1., 1., 1.]])
    """
    taken = last_taken(model, [head], x)
    assert taken is not None  # it is a head because a forward called it
    return taken
