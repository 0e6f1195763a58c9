"""What a check may say."""

from typing import Literal, NamedTuple

Verdict = Literal["pass", "do not trust", "not run"]
"""What a check says of its rule.

"pass": it is kept. "do not trust": it is broken, and the robust accuracies may be far too high. "not run": it could not
be tested, which speaks neither for nor against the numbers; the check's rule then ends with the reason.
"""

DISTRUST: Verdict = "do not trust"


class Measured(NamedTuple):
    """What a check found.

    Attributes:
        value: The figure.
        kept: Whether the rule is kept.

    Example:
        >>> Measured(0.5, kept=False).kept
        False
    """

    value: float
    kept: bool


class NotRun(Exception):  # noqa: N818 - no error: an outcome
    """Raised where a rule cannot be tested; the message says why."""
