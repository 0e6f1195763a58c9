"""Many small architectures in plain torch, each odd in its own way, to hold fast code against slow twins."""

from utils.architecture import Architecture, build, cuts, logits_of, run
from utils.convolutional import CONVOLUTIONAL
from utils.effects import EFFECTS
from utils.feedforward import FEEDFORWARD
from utils.sequences import SEQUENCES
from utils.wiring import WIRING

__all__ = ["Architecture", "PLAIN", "build", "cuts", "logits_of", "run"]

PLAIN: tuple[Architecture, ...] = (*FEEDFORWARD, *CONVOLUTIONAL, *WIRING, *EFFECTS, *SEQUENCES)
