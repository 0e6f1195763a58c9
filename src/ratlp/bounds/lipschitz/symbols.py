"""Symbols that stand for tensors while a forward is followed: without values, but with a shape where it is known."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import Attribute, TraceError
from torch.utils._pytree import tree_map

from ratlp.bounds.lipschitz.rules import Shape, find_rule
from ratlp.errors import BoundError

AUGMENTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
_OWN_ATTRIBUTES = ("tracer", "node", "root", "attr", "_node")


class Symbol(fx.Proxy):
    """A tensor without values. Its shape is real where the tracer was given a sample."""

    tracer: "Tracer"

    @property
    def shape(self) -> Any:
        """The shape: sizes, or a symbol of them."""
        shadow = self._shadow()
        return SymbolAttribute(self, "shape") if shadow is None else shadow.shape

    @property
    def ndim(self) -> Any:
        """How many axes there are."""
        return len(self.shape) if self._shadow() is not None else SymbolAttribute(self, "ndim")

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        if self._shadow() is None:
            return SymbolAttribute(self, "size")(*(() if dim is None else (dim,)))
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> Any:
        """How many axes there are."""
        return len(self.shape) if self._shadow() is not None else SymbolAttribute(self, "dim")()

    def __len__(self) -> int:
        if self._shadow() is None:
            raise self.tracer.refusing(TraceError("a symbol's length is not known without input_shape"))
        return int(self.shape[0])

    def __getattr__(self, k: str) -> Attribute:
        if not hasattr(Tensor, k):
            raise AttributeError(f"a tensor has no attribute {k!r}")
        return SymbolAttribute(self, k)

    def __setattr__(self, k: str, value: Any) -> None:
        if k not in _OWN_ATTRIBUTES:
            raise self.tracer.refusing(TraceError(f"a symbol's attributes cannot be set; found a new {k!r}"))
        super().__setattr__(k, value)

    def _shadow(self) -> Tensor | None:
        found = self.tracer.shadows.get(self.node)
        return found if isinstance(found, Tensor) else None


def _augmented(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: self.tracer.create_proxy("call_function", function, (self, other), {})


def _refused(action: str) -> Callable[..., Any]:
    def refuse(self: Symbol, *_: Any) -> Any:
        raise self.tracer.refusing(TraceError(f"a symbol cannot be {action}, as it has no value"))

    return refuse


for _name in ("float", "int", "complex", "array"):
    setattr(Symbol, f"__{_name}__", _refused("made a number"))
for _name in ("setitem", "delitem"):
    setattr(Symbol, f"__{_name}__", _refused("changed in part"))
for _name in ("copy", "deepcopy"):
    setattr(Symbol, f"__{_name}__", _refused("copied"))
for _name in AUGMENTED:  # torch.fx writes x *= y down as x = x * y, which leaves x's views as they are
    setattr(Symbol, f"__i{_name}__", _augmented(getattr(operator, f"i{_name}")))


class SymbolAttribute(Attribute, Symbol):
    """What a symbol's attribute or method is, until it is used or called."""


def reads_shape(node: fx.Node) -> bool:
    """Whether a step's result depends on its operand's shape only.

    Example:
        >>> graph = fx.symbolic_trace(lambda x: x * x.shape[0]).graph
        >>> [node.name for node in graph.nodes if reads_shape(node)]
        ['getattr_1']
    """
    attribute = node.args[1] if node.target is getattr else None
    return attribute in ("shape", "ndim") or (node.op == "call_method" and node.target in ("size", "dim"))


class Tracer(fx.Tracer):
    """Follows a forward down to the modules that have a rule, with a sample running along for the shapes.

    Args:
        sample: A batch of one, whose values no step of the forward sees; None to know no shapes.

    Attributes:
        returned: What each call of a module returned: its node, or None where that is no single tensor.
        shadows: The sample's value at each node, where there is a sample.
        refusal: The first thing that was asked of a symbol in vain: a forward that catches the error goes another way
            than with a tensor.

    Example:
        >>> class Checked(nn.Module):
        ...     def forward(self, x):
        ...         return torch.relu(x) if x.shape[1] == 3 else x
        >>> [node.name for node in Tracer(torch.zeros(1, 3)).trace(Checked()).nodes]
        ['x', 'relu', 'output']
    """

    def __init__(self, sample: Tensor | None = None) -> None:
        super().__init__()
        self.returned: dict[nn.Module, list[fx.Node | None]] = {}
        self.shadows: dict[fx.Node, Any] = {}
        self.refusal: Exception | None = None
        self._sample = sample
        self._running = False

    @property
    def has_sample(self) -> bool:
        """Whether shapes are known."""
        return self._sample is not None

    def shapes(self) -> dict[fx.Node, Shape]:
        """The shape of each node that is a tensor."""
        return {node: tuple(value.shape) for node, value in self.shadows.items() if isinstance(value, Tensor)}

    def refusing(self, error: Exception) -> Exception:
        """Keep an error that is about to be raised, if it is the first."""
        self.refusal = self.refusal or error
        return error

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Refused."""
        raise self.refusing(TraceError("control flow on a symbol, which has no value"))

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Refused."""
        raise self.refusing(TraceError("a loop over a symbol, of which nobody knows how long it is"))

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """The symbol of a node."""
        return Symbol(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is a step, by its rule."""
        # torch's own modules without a rule are steps too: the error then names them, not their insides.
        return find_rule(m) is not None or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """A step, or what is inside; noting what came out."""
        if self._running:
            return forward(*args, **kwargs)
        output = super().call_module(m, forward, args, kwargs)
        self.returned.setdefault(m, []).append(output.node if isinstance(output, fx.Proxy) else None)
        return output

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A parameter as a symbol; as itself while the sample runs."""
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **options: Any) -> fx.Proxy:
        """The symbol of a step's result; the sample takes the step too."""
        symbol = super().create_proxy(kind, target, args, kwargs, *rest, **options)
        if self._sample is not None and kind != "output":
            self.shadows[symbol.node] = self._run(kind, target, args, kwargs)
        return symbol

    def _run(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = tree_map(self._shadow_of, (args, kwargs))
        self._running = True
        try:
            with torch.no_grad():
                return self._step(kind, target, args, kwargs)
        except Exception as error:  # whatever a step raises on a tensor that it cannot take
            assert self._sample is not None
            shape, reason = tuple(self._sample.shape[1:]), str(error).partition("\n")[0]
            unfit = BoundError(f"input_shape {shape} does not fit the model, at {target}: {reason}")
            raise self.refusing(unfit) from error
        finally:
            self._running = False

    def _step(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        if kind == "placeholder":
            return self._shadow_of(self._sample)  # a copy: the forward may change it
        if kind == "get_attr":
            return attribute(self.root, target).detach().clone()
        if kind == "call_module":
            return in_evaluation(self.root.get_submodule(target), args, kwargs)
        return target(*args, **kwargs) if kind == "call_function" else getattr(args[0], target)(*args[1:], **kwargs)

    def _shadow_of(self, value: Any) -> Any:
        if isinstance(value, fx.Proxy):
            return self.shadows[value.node]
        # A copy, as the step may change it.
        return value.detach().clone() if isinstance(value, Tensor) else value


def in_evaluation(step: nn.Module, args: Any, kwargs: Any) -> Any:
    """Call a module as in evaluation, so that no statistics move.

    Example:
        >>> in_evaluation(nn.Dropout(0.5), (torch.ones(3),), {})
        tensor([1., 1., 1.])
    """
    training = [module for module in step.modules() if module.training]
    try:
        for module in training:
            module.training = False
        return step(*args, **kwargs)
    finally:
        for module in training:
            module.training = True


def attribute(root: nn.Module, target: str) -> Any:
    """A parameter, buffer or constant by its dotted name.

    Example:
        >>> attribute(nn.Sequential(nn.Linear(2, 3)), "0.bias").shape
        torch.Size([3])
    """
    owner, _, name = target.rpartition(".")
    return getattr(root.get_submodule(owner), name)
