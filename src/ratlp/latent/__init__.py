"""Cut any model at any layer: encode a batch once, then replay only what comes after the layer.

>>> import torch
>>> from ratlp.latent import Cut
>>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
>>> cut = Cut(model, ["1"])
>>> recording = cut.encode(torch.randn(5, 2))
>>> cut.replay(recording.with_latent(torch.zeros(5, 8))).shape
torch.Size([5, 3])
"""

from ratlp.latent.cut import Cut
from ratlp.latent.recording import Recording

__all__ = ["Cut", "Recording"]
