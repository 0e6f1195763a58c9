"""A tensor of intervals that runs through unmodified model code."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ratlp.errors import BoundError, InputError

Rule = TypeVar("Rule", bound=Callable[..., Any])

_RULES: dict[Any, Callable[..., Any]] = {}


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Register what a torch function does to intervals; it is called with the function's own arguments.

    A rule is sound if its result contains the function's value at every choice of points from the intervals that
    it is given. Some of the arguments may be ordinary tensors.

    Args:
        functions: The torch functions and methods, such as `torch.relu` and `torch.Tensor.relu`.

    Example:
        >>> @rule(torch.trunc)  # monotone, so the bounds' images bound the image
        ... def trunc(x):
        ...     return Interval(torch.trunc(x.lower), torch.trunc(x.upper))
        >>> torch.trunc(Interval(torch.tensor([-1.5]), torch.tensor([2.5]))).upper
        tensor([2.])
    """

    def register(function: Rule) -> Rule:
        for known in functions:
            _RULES[known] = function
        return function

    return register


class Interval(Tensor):
    r"""{ x : lower <= x <= upper }, coordinate by coordinate, as a tensor of its own.

    Every torch function that is called with it goes to that function's rule, so that the forward of any model, as
    it is, computes bounds of its output (interval bound propagation: Gowal et al., arXiv 1810.12715). A function
    without a rule is an error, never a guess. The bounds are ordinary tensors: they carry gradients, and lie on any
    device in any floating dtype.

    Held as lower and upper, or as centre and radius, whichever the last rule gave; the other is made when asked for.

    Args:
        lower: Any shape.
        upper: Of the same shape, dtype and device, nowhere below `lower`; see `interval_between` for a checked one.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, -2.0)
        >>> layer(Interval(torch.tensor([[1.0]]), torch.tensor([[2.0]])))
        Interval(lower=tensor([[-4.]], grad_fn=<SubBackward0>), upper=tensor([[-2.]], grad_fn=<AddBackward0>))
    """

    _bounds: tuple[Tensor, Tensor] | None
    _ball: tuple[Tensor, Tensor] | None
    _is_shared: bool
    affine_of: "AffineMap | None"

    def __new__(cls, lower: Tensor, upper: Tensor) -> "Interval":
        """Of lower and upper bounds."""
        return cls._make(lower, bounds=(lower, upper))

    @classmethod
    def of_ball(cls, centre: Tensor, radius: Tensor) -> "Interval":
        """{ x : |x - centre| <= radius }.

        Example:
            >>> Interval.of_ball(torch.tensor([1.0]), torch.tensor([0.5]))
            Interval(lower=tensor([0.5000]), upper=tensor([1.5000]))
        """
        return cls._make(centre, ball=(centre, radius))

    @classmethod
    def _make(
        cls,
        like: Tensor,
        *,
        bounds: tuple[Tensor, Tensor] | None = None,
        ball: tuple[Tensor, Tensor] | None = None,
    ) -> "Interval":
        made: Interval = cls._make_wrapper_subclass(cls, like.shape, dtype=like.dtype, device=like.device)
        made._bounds, made._ball = bounds, ball
        made._is_shared = False
        made.affine_of = None
        return made

    @property
    def lower(self) -> Tensor:
        """The lower bound."""
        return self.bounds[0]

    @property
    def upper(self) -> Tensor:
        """The upper bound."""
        return self.bounds[1]

    @property
    def centre(self) -> Tensor:
        """(lower + upper) / 2."""
        return self.ball[0]

    @property
    def radius(self) -> Tensor:
        """(upper - lower) / 2."""
        return self.ball[1]

    @property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lower and upper."""
        if self._bounds is None:
            centre, radius = self.ball
            self._bounds = centre - radius, centre + radius
        return self._bounds

    @property
    def ball(self) -> tuple[Tensor, Tensor]:
        """Centre and radius."""
        if self._ball is None:
            lower, upper = self.bounds
            self._ball = (lower + upper) / 2, (upper - lower) / 2
        return self._ball

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "Interval":
        """`function` of what is held, for functions that only rearrange or average coordinates."""
        if self._bounds is not None:
            return Interval(*map(function, self._bounds))
        return Interval.of_ball(*map(function, self.ball))

    def overwrite(self, value: "Interval") -> "Interval":
        """Take the value of another, as an operation in place does.

        Raises:
            BoundError: Views of this interval may exist, which would not follow.
        """
        if self._is_shared or value.shape != self.shape:
            raise BoundError(
                "intervals that have views cannot be changed in place; found an operation in place "
                f"{_whereabouts()}: write it out of place, as x = x + ..."
            )
        self._bounds, self._ball, self.affine_of = value._bounds, value._ball, value.affine_of
        return self

    def share(self, view: "Interval") -> "Interval":
        """Mark that `view` looks at this interval, and return it."""
        self._is_shared = view._is_shared = True
        return view

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return f"Interval(lower={self.lower}, upper={self.upper})"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The function's rule."""
        found = _RULES.get(func)
        if found is not None:
            return found(*args, **(kwargs or {}))
        if func in _ABOUT_THE_TENSOR:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        raise BoundError(
            f"every function that a model calls needs an interval rule; there is none for {_name(func)}, called "
            f"{_whereabouts()}: register one with ratlp.bounds.rule"
        )

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Refuse what came past the rules, in code that no rule can see (TorchScript, C++)."""
        raise BoundError(
            f"intervals cannot go through code that bypasses torch's functions; found {func} "
            f"{_whereabouts()}: register a rule with ratlp.bounds.rule for the function that calls it"
        )


class AffineMap:
    """How an interval came from another by x -> weight x + bias; lets differences of its rows be bounded tightly.

    Attributes:
        source: The interval before.
        weight: `[classes, features]`.
        bias: `[classes]`, or None.
    """

    def __init__(self, source: Interval, weight: Tensor, bias: Tensor | None) -> None:
        self.source = source
        self.weight = weight
        self.bias = bias


def interval_between(lower: Tensor, upper: Tensor) -> Interval:
    """An interval of checked bounds.

    Raises:
        InputError: Shapes, dtypes or devices differ, a bound is not a floating one, or lower exceeds upper.

    Example:
        >>> interval_between(torch.zeros(2), torch.ones(2)).centre
        tensor([0.5000, 0.5000])
    """
    for rule_, low, high in (
        ("shape", lower.shape, upper.shape),
        ("dtype", lower.dtype, upper.dtype),
        ("device", lower.device, upper.device),
    ):
        if low != high:
            raise InputError(f"lower and upper must have one {rule_}; found {low} and {high}")
    if not lower.is_floating_point():
        raise InputError(f"bounds must be floating tensors; found {lower.dtype}: convert them with .float()")
    if not bool((lower <= upper).all()):
        worst = float((lower - upper).nan_to_num(nan=torch.inf).max())
        raise InputError(f"lower must be <= upper everywhere; found it larger by {worst:g}, or not a number")
    return Interval(lower, upper)


_ABOUT_THE_TENSOR = {
    *(
        getattr(Tensor, name).__get__
        for name in (
            *("shape", "dtype", "device", "ndim", "layout", "is_cuda", "is_cpu", "is_sparse", "is_nested"),
            *("is_mps", "is_xpu", "is_meta", "is_quantized", "is_mkldnn", "requires_grad", "_version", "is_leaf"),
            "grad_fn",
        )
    ),
    *(
        getattr(Tensor, name)
        for name in (
            *("size", "dim", "ndimension", "numel", "nelement", "is_floating_point", "is_complex", "get_device"),
            *("is_inference", "__len__", "is_contiguous", "stride", "element_size", "is_signed", "__hash__"),
        )
    ),
    torch.is_floating_point,
    torch.is_complex,
    torch.numel,
}


def _name(function: Any) -> str:
    """As a user knows it."""
    try:
        return str(torch.overrides.resolve_name(function) or function)
    except Exception:  # a function that torch itself does not know
        return str(function)


def _whereabouts() -> str:
    """The innermost module whose code is running, by its name in the outermost, for messages."""
    frame = sys._getframe(1)
    running: list[nn.Module] = []
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module):
            running.append(owner)
        frame = frame.f_back  # type: ignore[assignment]
    if not running:
        return "outside any module"
    kind = type(running[0]).__name__
    names = [name for outer in reversed(running) for name, module in outer.named_modules() if module is running[0]]
    return f"in {kind} {names[0]!r}" if names and names[0] else f"in {kind}"
