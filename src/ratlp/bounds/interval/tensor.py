"""A tensor of intervals that runs through unmodified model code."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ratlp.bounds.interval.messages import no_argument, no_out, no_rule, whereabouts
from ratlp.bounds.interval.rules import RULES, TAKE_INTERVALS_ANYWHERE
from ratlp.bounds.names import name_of
from ratlp.errors import BoundError, InputError


class _Memory:
    """What an interval and its views have in common."""

    changes = 0  # how often one of them was changed in place


class Interval(Tensor):
    r"""{ x : lower <= x <= upper }, coordinate by coordinate, as a tensor of its own.

    Every torch function that is called with it goes to that function's rule, so that the forward of any model, as
    it is, computes bounds of its output (interval bound propagation: Gowal et al., arXiv 1810.12715). A function
    without a rule is an error, never a guess. The bounds are ordinary tensors: they carry gradients, and lie on any
    device in any floating dtype.

    Held as lower and upper, or as centre and radius, whichever the last rule gave; the other is made when asked for.
    Changed in place, an interval holds the new bounds, while its views and what it is a view of can be used no more:
    they share no memory, so that they would keep the old ones.

    Args:
        lower: Any shape.
        upper: Of the same shape, dtype and device, nowhere below `lower`; see `interval_between` for a checked one.

    Example:
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.constant_(layer.weight, -2.0)
        >>> layer(Interval(torch.tensor([[1.0]]), torch.tensor([[2.0]])))
        Interval(lower=tensor([[-4.]], grad_fn=<SubBackward0>), upper=tensor([[-2.]], grad_fn=<AddBackward0>))
    """

    # Set where they differ; an attribute set at every step costs as much as a small function.
    _bounds: tuple[Tensor, Tensor] | None = None
    _ball: tuple[Tensor, Tensor] | None = None
    _memory: _Memory | None = None  # of those that are or have views
    _changes: int = 0
    affine_of: "AffineMap | None" = None

    def __new__(cls, lower: Tensor, upper: Tensor) -> "Interval":
        """Of lower and upper bounds."""
        made: Interval = cls._make_wrapper_subclass(cls, lower.shape, dtype=lower.dtype, device=lower.device)
        made._bounds = lower, upper
        return made

    @classmethod
    def of_ball(cls, centre: Tensor, radius: Tensor) -> "Interval":
        """{ x : |x - centre| <= radius }, in the dtype of the centre.

        Example:
            >>> Interval.of_ball(torch.tensor([1.0]), torch.tensor([0.5]))
            Interval(lower=tensor([0.5000]), upper=tensor([1.5000]))
        """
        made: Interval = cls._make_wrapper_subclass(cls, centre.shape, dtype=centre.dtype, device=centre.device)
        made._ball = centre, radius if radius.dtype == centre.dtype else radius.to(centre.dtype)
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
        if self._memory is not None:
            self._check_current()
        if self._bounds is None:
            centre, radius = self.ball
            self._bounds = centre - radius, centre + radius
        return self._bounds

    @property
    def ball(self) -> tuple[Tensor, Tensor]:
        """Centre and radius."""
        if self._memory is not None:
            self._check_current()
        if self._ball is None:
            lower, upper = self.bounds
            self._ball = torch.lerp(lower, upper, 0.5), (upper - lower).mul_(0.5)
        return self._ball

    @property
    def is_ball(self) -> bool:
        """Whether it is held as centre and radius, so that rules of linear functions cost no conversion."""
        return self._ball is not None

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "Interval":
        """`function` of what is held, for functions that only rearrange or average coordinates."""
        if self._bounds is not None:
            return Interval(*map(function, self.bounds))
        return Interval.of_ball(*map(function, self.ball))

    def overwrite(self, value: "Interval") -> "Interval":
        """Take the value of another, as an operation in place does; views of this interval become unusable.

        Raises:
            BoundError: The value has another shape.
        """
        if value.shape != self.shape:
            raise BoundError(
                f"a change in place must keep the shape; found {tuple(value.shape)} for {tuple(self.shape)} "
                f"{whereabouts()}"
            )
        self._check_current()
        value = value if value.dtype == self.dtype else value.mapped(lambda x: x.to(self.dtype))
        self._bounds, self._ball, self.affine_of = value._bounds, value._ball, value.affine_of
        if self._memory is not None:
            self._memory.changes += 1
            self._changes = self._memory.changes
        return self

    def share(self, view: "Interval") -> "Interval":
        """Mark that `view` looks at this interval, and return it."""
        if self._memory is None:
            self._memory = _Memory()
        view._memory, view._changes = self._memory, self._changes
        return view

    def _check_current(self) -> None:
        if self._memory is not None and self._changes != self._memory.changes:
            raise BoundError(
                "an interval cannot be used after one of its views, or what it is a view of, was changed in place; "
                f"found one {whereabouts()}: write the change out of place, as x = x + ..."
            )

    def __repr__(self, **options: Any) -> str:  # type: ignore[override]
        return f"Interval(lower={self.lower}, upper={self.upper})"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The function's rule."""
        kwargs = kwargs or {}
        if func in RULES:
            return _apply_rule(func, args, kwargs)
        if func in _ABOUT_THE_TENSOR:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        raise BoundError(no_rule(func))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Refuse what came past the rules, in code that no rule can see (TorchScript, C++)."""
        raise BoundError(
            f"intervals cannot go through code that bypasses torch's functions; found {func} "
            f"{whereabouts()}: register a rule with @ratlp.bounds.interval_rule for the function that calls it"
        )


def _apply_rule(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = RULES[func]
    if isinstance(kwargs.get("out"), Tensor | tuple):
        raise BoundError(no_out(func))
    if func not in TAKE_INTERVALS_ANYWHERE:
        count = sum(isinstance(value, Interval) for value in (*args, *kwargs.values()))
        if count != 1 or not isinstance(args[0] if args else kwargs.get("input"), Interval):
            raise BoundError(no_argument(func))
    try:
        return found(*args, **kwargs)
    except TypeError as error:
        try:
            inspect.signature(found).bind(*args, **kwargs)
        except TypeError as unfit:
            raise BoundError(
                f"the interval rule of {name_of(func)} does not know this form of call, made {whereabouts()}: {unfit}"
            ) from error
        raise


class AffineMap:
    """How an interval came from another by x -> weight x + bias; lets differences of its rows be bounded tightly.

    Attributes:
        weight: `[classes, features]`.
        radius: That of the interval before, `[batch, features]`.
    """

    def __init__(self, weight: Tensor, radius: Tensor) -> None:
        self.weight = weight
        self.radius = radius


def ends(x: Any) -> tuple[Any, Any]:
    """Lower and upper bound of an interval; an ordinary tensor or number twice.

    Example:
        >>> ends(2.0)
        (2.0, 2.0)
    """
    return x.bounds if isinstance(x, Interval) else (x, x)


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
