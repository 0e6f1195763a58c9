"""The standard AutoAttack, run by its authors' code."""

import logging
import sys
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ratlp.attacks import Deltas, InnerProblem, Maximiser
from ratlp.errors import InputError
from ratlp.evaluation.attacking import SpaceProblem
from ratlp.evaluation.spaces import InputSpace
from ratlp.optional import import_optional
from ratlp.perturbations import L2, LInf, PerturbationSet

_NORMS: dict[type[PerturbationSet], str] = {LInf: "Linf", L2: "L2"}
_ATTACKS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
}
_QUIET = logging.getLogger("ratlp.evaluation.autoattack")  # what the package warns of is what `checks` tell
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class AutoAttack(Maximiser):
    """AutoAttack as of Croce and Hein (arXiv 2003.01690), by the package pyautoattack.

    "standard" runs APGD on cross-entropy, targeted APGD, targeted FAB and Square with 5000 queries, each on what is
    left by those before it; "plus" adds restarts and untargeted attacks, "rand" is for randomised nets. Norm and eps
    are those of the attack's set. The code is made for images: `[batch, channels, height, width]` in [0, 1], float32,
    and at least 4 classes. With fewer than 10 classes all wrong ones are targets, as with 10. In input space alone.

    It climbs losses of its own, whatever `Attack.loss` says.

    Args:
        version: "standard", "plus" or "rand".
        attacks: Which of the version's attacks run, such as ("apgd-ce", "apgd-t"), which break most of what can be
            broken in a fraction of the time; all where not given.
        seed: Of its draws.

    Raises:
        MissingExtraError: pyautoattack is not installed: pip install 'ratlp[autoattack]'.
        InputError: `version` is none of the three, or an attack none of the version's; on use, that the problem is
            none that the code is made for.

    Example:
        >>> AutoAttack(version="fast")
        Traceback (most recent call last):
        ratlp.errors.InputError: version must be 'standard', 'plus' or 'rand'; found 'fast'
    """

    starts_at_zero = False

    def __init__(
        self,
        *,
        version: Literal["standard", "plus", "rand"] = "standard",
        attacks: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        if version not in _ATTACKS:
            raise InputError(f"version must be 'standard', 'plus' or 'rand'; found {version!r}")
        known = _ATTACKS[version]
        names = known if attacks is None else tuple(attacks) if isinstance(attacks, tuple | list) else ()
        if not names or not all(name in known and names.count(name) == 1 for name in names):
            raise InputError(f"attacks must be a sequence of {', '.join(known)}, each once; found {attacks!r}")
        self.version = version
        self.attacks = names
        self.seed = seed
        self._code = import_optional("pyautoattack.autoattack", package="pyautoattack", extra="autoattack")

    def __call__(self, problem: InnerProblem) -> Deltas:
        """What AutoAttack found; 0 where it found nothing."""
        space, set_, y = _checked(problem)
        points = problem.points[0]
        code = self._code.AutoAttack(
            lambda x: space.network(x).clone(),  # the code writes to logits
            norm=_NORMS[type(set_)],
            eps=set_.eps,
            seed=self.seed,
            version=self.version,
            device=points.device,
        )
        with torch.no_grad():
            classes = space.network(points[:1]).shape[1]
        if classes < 4:
            raise _refused(f"at least 4 classes; found {classes}", "its targeted losses are not defined for fewer")
        targets = min(9, classes - 1)
        code.apgd_targeted.n_target_classes = code.fab.n_target_classes = targets
        code.attacks_to_run = list(self.attacks)
        code.logger = code.apgd.logger = code.apgd_targeted.logger = _QUIET
        tracing = sys.gettrace()  # the code switches a debugger's or a coverage's off
        try:
            with torch.enable_grad():
                found: Tensor = code.run_standard_evaluation(points, y, batch_size=len(points))[0]
        finally:
            sys.settrace(tracing)
        return (found.detach() - points,)

    def __repr__(self) -> str:
        attacks = "" if self.attacks == _ATTACKS[self.version] else f", attacks={self.attacks}"
        return f"AutoAttack(version={self.version!r}{attacks}, seed={self.seed})"


def _checked(problem: InnerProblem) -> tuple[InputSpace, Any, Tensor]:
    if not isinstance(problem, SpaceProblem) or not isinstance(problem.space, InputSpace):
        raise _refused("layer='input'; found another", "latents are no images: use standard_attacks there")
    set_: Any = problem.perturbations[0]
    points = problem.points[0]
    bounds = getattr(set_, "bounds", None)
    if type(set_) not in _NORMS or set_.relative_to is not None or getattr(set_, "per", "sample") != "sample":
        raise _refused(f"an absolute LInf or L2 ball; found {set_}", "it knows no other set")
    if bounds is None or any(isinstance(bound, Tensor) for bound in bounds) or tuple(bounds) != (0, 1):
        raise _refused(f"bounds=(0, 1); found {bounds}", "it clamps to [0, 1]: put the normalisation into the model")
    if points.dim() != 4 or points.dtype is not torch.float32:
        raise _refused(
            f"float32 images [batch, channels, height, width]; found {points.dtype} of shape {tuple(points.shape)}",
            "use standard_attacks for other inputs",
        )
    return problem.space, set_, problem.y


def _refused(rule: str, reason: str) -> InputError:
    return InputError(f"AutoAttack needs {rule}: {reason}")
