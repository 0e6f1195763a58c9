"""The exceptions that ratlp raises on purpose.

Every message names the rule, the value found and what to do. The command prints them as one line and exits
with code 2.
"""


class RatlpError(Exception):
    """Base class: catch it to catch whatever ratlp refuses.

    Example:
        >>> from ratlp.data import load_source
        >>> try:
        ...     load_source("nowhere")
        ... except RatlpError as error:
        ...     print(type(error).__name__)
        InputError
    """


class InputError(RatlpError, ValueError):
    """A value, a file or a tensor breaks a stated rule."""


class LayerError(RatlpError, ValueError):
    """The layer cannot serve as the latent of this model."""


class MissingExtraError(RatlpError, ImportError):
    """A package of an optional extra is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}, which is not installed: run pip install 'ratlp[{extra}]'"
        )


class BoundError(RatlpError, NotImplementedError):
    """A bound or a certificate cannot be given: an operation has no rule, or an assumption is not met."""


class SoundnessError(RatlpError, AssertionError):
    """Certified, attacked and clean accuracy contradict each other: a bug, in a certificate or in an attack."""
