"""What a model's forward does with its input, for every input: its graph, or the reason why there is none.

`torch.fx` runs the forward on a symbol in place of a tensor. Whatever the forward does with the symbol is written
down; whatever depends on its values (if x.sum() > 0) is an error. So the graph holds for all inputs, which a record
of one run would not show. Shapes may be looked at where the input's is given.
"""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.nn.utils.parametrize import is_parametrized

from ratlp.attacks import seeded
from ratlp.bounds.lipschitz.functions import ARITHMETIC, module_form
from ratlp.bounds.lipschitz.rearrangement import rearrangement
from ratlp.bounds.lipschitz.rules import Shape, find_rule
from ratlp.bounds.lipschitz.symbols import AUGMENTED, Tracer, attribute, in_evaluation
from ratlp.errors import BoundError, RatlpError
from ratlp.latent.attributes import attributes_kept
from ratlp.latent.buffers import buffers_held
from ratlp.latent.calls import own_forwards, uncompiled

_IN_PLACE = tuple(getattr(operator, f"i{name}") for name in AUGMENTED)
_METHODS_IN_PLACE = {"__setitem__", "__delitem__", "__set__", *(f"__i{name}__" for name in AUGMENTED)}


@dataclass(frozen=True)
class Traced:
    """A forward as a graph, over modules that have a rule.

    Attributes:
        graph: Its nodes in the order of the run.
        root: Holds the model as its child `model`; targets of nodes are named from here.
        modules: By the name that nodes know them by.
        returned: What each call of a module returned: its node, or None where that is no single tensor.
        shapes: Of the nodes that are tensors, for one sample; empty where no input shape was given.
        input: The model's input.
        logits: What the model returns.
    """

    graph: fx.Graph
    root: nn.Module
    modules: dict[str, nn.Module]
    returned: dict[nn.Module, list[fx.Node | None]]
    shapes: dict[fx.Node, Shape]
    input: fx.Node
    logits: fx.Node

    def attribute(self, node: fx.Node) -> Any:
        """The parameter, buffer or constant that a `get_attr` node reads."""
        return attribute(self.root, str(node.target))


class _OneInput(nn.Module):
    """The model as a child, so that it is called as users call it, on one input."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model(x)


def trace(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> Traced:
    """The graph of a model's forward, on a single input.

    Args:
        model: Any module.
        input_shape: Of one sample. The forward may then look at shapes, which are those of a batch of one. The model
            is also run on a random sample, on which the steps must give the same.

    Raises:
        BoundError: The forward depends on its input's values, cannot be followed, takes other steps with a symbol
            than with a tensor, returns more than one tensor, or changes one in place that is used again; or weights
            have no values, or a module has hooks or is random.

    Example:
        >>> traced = trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
        >>> [str(node.target) for node in traced.graph.nodes]
        ['x', 'model.0', 'model.1', 'output']
    """
    root = _OneInput(uncompiled(model))
    _check_modules(root)
    sample = _sample(root, input_shape)
    tracer = Tracer(sample)
    with seeded(0, torch.zeros(()) if sample is None else sample):  # one state for both runs: what draws differs
        with _held(root.model):
            graph = _followed(tracer, root)
        nodes = list(graph.nodes)
        logits = nodes[-1].args[0]
        if not isinstance(logits, fx.Node):
            found = type(logits).__name__
            raise BoundError(f"a Lipschitz bound needs a model that returns one tensor; found {found}: wrap the model")
        if sample is not None:
            with _held(root.model):  # anew: else the model would meet the symbols that it stored
                _check_against(root, sample, tracer, logits)
    if len(graph.nodes) != len(nodes):
        raise BoundError(
            "a Lipschitz bound needs a forward that keeps what it computes in attributes of its modules alone; found "
            "symbols of one run in another"
        )
    modules = dict(root.named_modules(remove_duplicate=False))
    traced = Traced(graph, root, modules, tracer.returned, tracer.shapes(), nodes[0], logits)
    _check_in_place(traced)
    return traced


@contextmanager
def _held(model: nn.Module) -> Iterator[None]:
    """While open, the forward may store and count; then the model is as before."""
    with attributes_kept(model), buffers_held(model), own_forwards(model):
        yield


def _followed(tracer: Tracer, root: nn.Module) -> fx.Graph:
    try:
        graph = tracer.trace(root)
        if tracer.refusal is not None:
            raise tracer.refusal  # which the forward caught, to go another way
        return graph
    except RatlpError:
        raise
    except Exception as error:  # whatever a forward raises on being given a symbol
        reason = str(error).partition("\n")[0]
        hint = "" if tracer.has_sample else "give input_shape if it looks at shapes; "
        raise BoundError(
            "a Lipschitz bound needs a forward whose steps do not depend on the input's values; this one could "
            f"not be followed ({type(error).__name__}: {reason}): {hint}bound its parts, or register "
            "the module with @ratlp.bounds.lipschitz_rule"
        ) from error


def _sample(root: nn.Module, input_shape: tuple[int, ...] | None) -> Tensor | None:
    if input_shape is None:
        return None
    own = next((p for p in root.parameters() if p.is_floating_point()), torch.zeros(()))
    values = torch.rand((1, *input_shape), generator=torch.Generator().manual_seed(0))
    return values.to(own)


def _check_against(root: nn.Module, sample: Tensor, tracer: Tracer, logits: fx.Node) -> None:
    """The steps must give what the model gives."""
    constant = logits.op == "get_attr"
    found = attribute(root, str(logits.target)) if constant else tracer.shadows[logits]
    with torch.no_grad():
        expected = in_evaluation(root, (sample,), {})
    if not _alike(found, expected):
        raise BoundError(
            "a Lipschitz bound needs a forward that takes the same steps with a symbol as with a tensor; this one "
            "gives another result: it is in training mode (call model.eval()), looks at types, catches errors, or is "
            "random. Bound its parts, or register the module with @ratlp.bounds.lipschitz_rule"
        )


def _alike(found: Any, expected: Any) -> bool:
    if not (isinstance(found, Tensor) and isinstance(expected, Tensor) and found.shape == expected.shape):
        return found is expected
    found, expected = found.double(), expected.double()
    finite = expected[expected.isfinite()]
    # A thousandth of the largest: kernels may round otherwise from run to run
    slack = 1e-3 * float(finite.abs().amax()) if finite.numel() else 0.0
    return torch.allclose(found, expected, rtol=1e-3, atol=slack, equal_nan=True)


def _check_modules(root: nn.Module) -> None:
    if any(parameter.is_meta for parameter in root.parameters()):
        raise BoundError("a Lipschitz bound needs weights with values; found some on the meta device: load them")
    if _has_any_global_hook():
        raise BoundError("a hook may change what a module returns; found one on all modules: remove it")
    for name, module in root.named_modules():
        shown = name.removeprefix("model.") or "the model"
        if module._forward_hooks or module._forward_pre_hooks:
            raise BoundError(
                f"a hook may change what a module returns; found one on {shown!r} ({type(module).__name__}): remove "
                "it (for weight and spectral normalisation use torch.nn.utils.parametrizations)"
            )
        if module.training and is_parametrized(module) and _moves(module):
            raise BoundError(f"the weight of {shown!r} changes with each pass in training mode: call model.eval()")


def _moves(module: nn.Module) -> bool:
    """Whether computing a weight changes buffers, as `spectral_norm` does in training mode."""
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    return any(type(inner).__name__ == "_SpectralNorm" for inner in parametrizations.modules())


def _check_in_place(traced: Traced) -> None:
    """Refuse in-place changes of a tensor that is used again, itself or through another that shares its memory."""
    order = {node: i for i, node in enumerate(traced.graph.nodes)}
    sharing: dict[fx.Node, set[fx.Node]] = {}
    for node in traced.graph.nodes:
        sharing[node] = {node}
        if _is_fresh(node, traced.modules):
            continue
        for operand in _may_share(node, traced.modules):
            sharing[operand] |= sharing[node]
            for other in sharing[operand]:
                sharing[other] = sharing[operand]
        if _in_place(node, traced.modules) and _used_again(node, sharing[node], order):
            raise BoundError(
                f"an in-place operation must be the last use of what it changes; {node.format_node()} is not, or "
                "changes a parameter: build the module with inplace=False, or write x = x + ..."
            )


def _may_share(node: fx.Node, modules: dict[str, nn.Module]) -> list[fx.Node]:
    """The operands whose memory a step's result may be: all, but of x += y, where it is x's."""
    others_too = "out" in node.kwargs or node.target == "set_"
    changed = node.args[0] if node.args and _in_place(node, modules) and not others_too else None
    return [changed] if isinstance(changed, fx.Node) else node.all_input_nodes


def _used_again(changing: fx.Node, shared: set[fx.Node], order: dict[fx.Node, int]) -> bool:
    earlier = [node for node in shared if order[node] < order[changing]]
    users = [user for node in earlier for user in node.users]
    return any(node.op == "get_attr" for node in earlier) or any(order[user] > order[changing] for user in users)


def _is_fresh(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a step's result surely is a tensor with memory of its own: a layer's, or arithmetic's."""
    if _in_place(node, modules):
        return False
    if node.op == "call_module":
        rule = find_rule(modules[str(node.target)])
        # Of users' modules nobody knows what they return.
        return rule is not None and rule is not rearrangement and rule.__module__.startswith("ratlp.")
    form = module_form(node)
    return node.target in ARITHMETIC if form is None else find_rule(form) is not rearrangement


def _in_place(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    module = modules[str(node.target)] if node.op == "call_module" else module_form(node)
    if module is not None:
        return bool(getattr(module, "inplace", False))
    name = str(getattr(node.target, "__name__", node.target))
    ends_so = name.endswith("_") and not name.endswith("__")
    asked = "out" in node.kwargs or bool(node.kwargs.get("inplace"))
    return asked or ends_so or name in _METHODS_IN_PLACE or node.target in _IN_PLACE
