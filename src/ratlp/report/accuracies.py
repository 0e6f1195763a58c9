"""Accuracies and norms as tables, figures and the terminal show them."""

from typing import Final

from ratlp.proportions import Accuracy

_NORMS: Final = {"linf": "L-inf", "l2": "L2"}


def norm_name(norm: str) -> str:
    """What a norm is called; the name of another set as it is.

    Example:
        >>> norm_name("linf"), norm_name("box")
        ('L-inf', 'box')
    """
    return _NORMS.get(norm, norm)


def percent(share: float) -> str:
    """A share as a percentage.

    Example:
        >>> percent(0.625)
        '62.5 %'
    """
    return f"{100 * share:.1f} %"


def interval(accuracy: Accuracy) -> str:
    """Its 95 % confidence interval in %.

    Example:
        >>> interval(Accuracy(8, 10))
        '[49.0, 94.3]'
    """
    low, high = ci95_percent(accuracy)
    return f"[{low:.1f}, {high:.1f}]"


def percent_with_interval(accuracy: Accuracy) -> str:
    """Both.

    Example:
        >>> percent_with_interval(Accuracy(8, 10))
        '80.0 % [49.0, 94.3]'
    """
    return f"{percent(accuracy.share)} {interval(accuracy)}"


def ci95_percent(accuracy: Accuracy) -> tuple[float, float]:
    """The ends of its 95 % confidence interval in %.

    Example:
        >>> [round(end, 1) for end in ci95_percent(Accuracy(8, 10))]
        [49.0, 94.3]
    """
    low, high = accuracy.ci95
    return 100 * low, 100 * high
