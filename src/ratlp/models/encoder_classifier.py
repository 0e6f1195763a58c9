"""The paper's pair: an encoder f and a classifier g."""

from torch import Tensor, nn


class EncoderClassifier(nn.Module):
    """g(f(x)), with children `encoder` and `classifier`; the latent is `layer="encoder"`.

    Args:
        encoder: f, from `[batch, *input]` to `[batch, *latent]`.
        classifier: g, from `[batch, *latent]` to logits `[batch, classes]`.

    Example:
        >>> import torch
        >>> model = EncoderClassifier(nn.Linear(2, 8), nn.Linear(8, 3))
        >>> model(torch.randn(4, 2)).shape
        torch.Size([4, 3])
    """

    def __init__(self, encoder: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        logits: Tensor = self.classifier(self.encoder(x))
        return logits
