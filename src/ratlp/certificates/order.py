"""Certified <= attacked <= clean, sample by sample: what must hold whenever the three are reported together."""

import torch
from torch import Tensor

from ratlp.errors import InputError, SoundnessError


def check_order(clean: Tensor, attacked: Tensor, certified: Tensor, *, eps: float | None = None) -> None:
    """Check that certified samples withstood the attack, and that those were right before it.

    A certificate says that no attack can succeed. One that did is a bug: in the certificate, in the attack (a point
    outside its ball), or in how the two were compared (another model, another ball).

    Args:
        clean: `[n]`, boolean: the class is right.
        attacked: `[n]`, boolean: it is still right under attack.
        certified: `[n]`, boolean: it is certified.
        eps: The radius, for the message.

    Raises:
        InputError: The three are not boolean vectors of one length.
        SoundnessError: The order is broken; the message names the samples.

    Example:
        >>> clean = torch.tensor([True, True, False])
        >>> check_order(clean, clean, torch.tensor([True, False, False]))
        >>> check_order(clean, torch.tensor([False, True, False]), torch.tensor([True, False, False]))
        Traceback (most recent call last):
        ratlp.errors.SoundnessError: a certified sample must withstand every attack; found 1 misclassified (0): ...
    """
    shapes = {tuple(part.shape) for part in (clean, attacked, certified)}
    if len(shapes) > 1 or clean.dim() != 1 or any(p.dtype != torch.bool for p in (clean, attacked, certified)):
        raise InputError(f"clean, attacked and certified must be boolean vectors of one length; found shapes {shapes}")
    at = "" if eps is None else f" at eps = {eps:g}"
    broken = (certified & ~attacked).nonzero().flatten().tolist()
    if broken:
        raise SoundnessError(
            f"a certified sample must withstand every attack; found {len(broken)} misclassified{at} {_named(broken)}: "
            "the certificate or the attack has a bug, please report it with the model"
        )
    gained = (attacked & ~clean).nonzero().flatten().tolist()
    if gained:
        raise SoundnessError(
            f"a sample that is misclassified cannot withstand an attack; found {len(gained)} that did{at} "
            f"{_named(gained)}: count those as broken"
        )


def _named(samples: list[int]) -> str:
    return f"({', '.join(map(str, samples[:5]))}{', ...' if len(samples) > 5 else ''})"
