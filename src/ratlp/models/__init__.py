"""Small nets: the paper's and two convolutional ones; layers that are 1-Lipschitz; and models to files and back.

>>> import torch
>>> from ratlp.models import mlp
>>> net = mlp(2, classes=2, hidden=(32,), latent=8)
>>> net(torch.randn(5, 2)).shape
torch.Size([5, 2])
"""

from ratlp.models.convolutional import ImageClassifier, small_cnn, wide_cnn
from ratlp.models.encoder_classifier import EncoderClassifier
from ratlp.models.factory import LoadedModel, load_model
from ratlp.models.group_sort import GroupSort, MaxMin
from ratlp.models.mlp import INITIALISATIONS, LATENT_ACTIVATIONS, initialise, mlp
from ratlp.models.registry import Architecture, architecture_of, register
from ratlp.models.row_normalised import LipschitzConv2d, LipschitzLinear, RowNormalised
from ratlp.models.saving import Description, describe, load, save
from ratlp.models.stacked import StackedLinear, stack, unstack

__all__ = [
    "Architecture",
    "Description",
    "EncoderClassifier",
    "GroupSort",
    "INITIALISATIONS",
    "ImageClassifier",
    "LATENT_ACTIVATIONS",
    "LipschitzConv2d",
    "LipschitzLinear",
    "LoadedModel",
    "MaxMin",
    "RowNormalised",
    "StackedLinear",
    "architecture_of",
    "describe",
    "initialise",
    "load",
    "load_model",
    "mlp",
    "register",
    "save",
    "small_cnn",
    "stack",
    "unstack",
    "wide_cnn",
]
