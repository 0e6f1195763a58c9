"""Certified accuracy is at most robust accuracy: where it is not, a certificate or an attack is wrong."""

from ratlp.certificates import Certification
from ratlp.evaluation import Curve, Distances, Evaluation

_ROUNDING = 1e-4  # of a radius: float32 rounds points of size 1 by 6e-8, which is nearly as much of a radius of 1e-3


def contradicted(found: Certification, evaluation: Evaluation, curve: Curve, distances: Distances) -> int:
    """How many samples at least are certified where something breaks them, at one place.

    Attacks and distances are held against certificates sample by sample, the curve by numbers at each eps.

    Args:
        found: What is certified, at the curve's eps.
        evaluation: Of all attacks; those at the same layer count.
        curve: At the same layer, in absolute units as certificates are.
        distances: Likewise, of the first samples.

    Example:
        >>> from ratlp.certificates import MethodRun
        >>> from ratlp.evaluation import Accuracy, CurvePoint, Samples
        >>> run = MethodRun("interval", samples=2, seconds=0.1, radius=(0.2, 0.1))
        >>> found = Certification("input", "linf", None, (0.2,), 0.01, "float64", (0, 1), (0, 1), (run,))
        >>> clean, one, samples = Accuracy(2, 2), Accuracy(1, 2), Samples((0, 1), (0, 1), {})
        >>> evaluation = Evaluation(clean, (), clean, (), samples, "independent", seed=0, batch_size=2, run="")
        >>> curve = Curve("pgd", "input", "input", "linf", None, None, (CurvePoint(0.2, 0.2, None, one, one),))
        >>> near, far = (
        ...     Distances("pgd", "input", "input", "linf", None, 0.2, 0.01, (nearest, 0.15)) for nearest in (0.15, None)
        ... )
        >>> contradicted(found, evaluation, curve, near), contradicted(found, evaluation, curve, far)
        (1, 0)
    """
    robust = {point.eps: point.robust.correct for point in curve.points}
    excess = [point.certified.correct - robust[point.eps] for point in found.curve]
    return max(len(_broken(found, evaluation) | _nearer(found, distances)), *excess, 0)


def _broken(found: Certification, evaluation: Evaluation) -> set[int]:
    """Samples that an attack broke at an eps at which they are certified."""
    samples = set[int]()
    for attack in evaluation.attacks:
        if attack.layer == found.layer and isinstance(attack.eps, float):
            certified = set(found.certified(attack.eps).nonzero()[:, 0].tolist())
            samples |= certified & set(evaluation.samples.broken[attack.name])
    return samples


def _nearer(found: Certification, distances: Distances) -> set[int]:
    """Samples misclassified nearer than their certified radius."""
    return {
        sample
        for sample, distance in enumerate(distances.values)
        if distance is not None and distance < float(found.radius[sample]) * (1 - _ROUNDING)
    }
