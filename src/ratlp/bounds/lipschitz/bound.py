"""Upper bounds of a model's Lipschitz constant, and of its parts before and after a layer."""

from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from torch import fx, nn

from ratlp.bounds.lipschitz.composition import Composition
from ratlp.bounds.lipschitz.linear import linear
from ratlp.bounds.lipschitz.rearrangement import is_rearrangement
from ratlp.bounds.lipschitz.rules import find_rule
from ratlp.bounds.lipschitz.tracing import Traced, trace
from ratlp.errors import BoundError, LayerError
from ratlp.latent.calls import uncompiled
from ratlp.latent.layers import Layer
from ratlp.perturbations import Norm


@dataclass(frozen=True)
class LipschitzParts:
    """Bounds of the Lipschitz constants of a model cut at a layer, `model = g after f`.

    Attributes:
        layer: The layer whose output is the latent.
        norm: On both sides.
        f: L_f, from the input to the latent.
        g: L_g, from the latent to the logits, whatever reaches g past the latent held fixed.
        whole: From the input to the logits: f * g where nothing passes the latent by.
    """

    layer: str
    norm: Norm
    f: float
    g: float
    whole: float

    def to_dict(self) -> dict[str, Any]:
        """The bounds as JSON knows them."""
        return asdict(self)


def lipschitz_bound(model: nn.Module, *, norm: Norm = "linf", input_shape: tuple[int, ...] | None = None) -> float:
    r"""A constant L with ||model(x) - model(x')|| <= L * ||x - x'|| for all x and x', one sample each.

    Both norms are over all coordinates of a sample. The bound is the product of the modules' constants (a rule for
    each type: `lipschitz_rule`), with sums where ways join, so it is tight for one layer and grows loose with depth.
    It is rounded up (`docs/rounding.md`).

    Args:
        model: Any module whose forward `torch.fx` can follow and whose steps have rules.
        norm: "linf" or "l2", on both sides.
        input_shape: Of one sample, without the batch: makes convolutions and pooling tighter, and is needed by some
            rules under L2. The bound then holds for this shape only. The model is then also run on a random sample,
            on which the steps that were followed must give the same.

    Raises:
        InputError: The norm is unknown.
        BoundError: A step has no rule, or an assumption of its rule is not met (BatchNorm in training mode); or the
            forward cannot be followed, or takes other steps with a symbol than with a tensor.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Sigmoid())
        >>> _ = nn.init.constant_(model[0].weight, 2.0)
        >>> round(lipschitz_bound(model, norm="linf"), 9), round(lipschitz_bound(model, norm="l2"), 9)
        (1.0, 1.0)
    """
    composition = Composition(trace(model, input_shape), norm)
    return composition.constant(composition.traced.input, composition.traced.logits)


def lipschitz_parts(
    model: nn.Module, *, layer: str, norm: Norm = "linf", input_shape: tuple[int, ...] | None = None
) -> LipschitzParts:
    """Bounds of L_f, up to the layer, and L_g, from there.

    Args:
        model: As in `lipschitz_bound`.
        layer: As in `RATLP`: "encoder", "act#2" for a second call, "input".
        norm: "linf" or "l2", on both sides.
        input_shape: As in `lipschitz_bound`.

    Raises:
        LayerError: The layer is unknown, never called, or called more often than its name says.
        BoundError: As in `lipschitz_bound`; or the layer returns more than one tensor, or lies inside a module that
            is one step, as torch's own are.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Sigmoid())
        >>> _ = nn.init.constant_(model[0].weight, 2.0)
        >>> parts = lipschitz_parts(model, layer="0")
        >>> round(parts.f, 9), round(parts.g, 9)
        (4.0, 0.25)
    """
    traced = trace(model, input_shape)
    composition, latent = Composition(traced, norm), latent_node(traced, model, layer)
    return LipschitzParts(
        layer,
        norm,
        f=composition.constant(traced.input, latent),
        g=composition.constant(latent, traced.logits),
        whole=composition.constant(traced.input, traced.logits),
    )


@dataclass(frozen=True)
class LastLayer:
    """A linear layer whose output is the model's: its margins move less than any two logits might.

    Attributes:
        module: The layer.
        f: From the input to what the layer takes.
        g: From the latent to what the layer takes.
        takes_latent: Whether it takes the latent itself, at most rearranged.
    """

    module: nn.Linear
    f: float
    g: float
    takes_latent: bool


def last_layer(
    model: nn.Module, *, layer: str, norm: Norm = "linf", input_shape: tuple[int, ...] | None = None
) -> LastLayer | None:
    """The linear layer at the model's end, with what comes before it bounded; None where there is none.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> last_layer(model, layer="1").takes_latent, last_layer(model, layer="0").takes_latent
        (True, False)
    """
    traced = trace(model, input_shape)
    latent = latent_node(traced, model, layer)
    found = _end(traced, latent)
    if found is None:
        return None
    module, features = found
    composition = Composition(traced, norm)
    f, g = composition.constant(traced.input, features), composition.constant(latent, features)
    return LastLayer(module, f, g, takes_latent=_is_rearranged(traced, features, latent))


def linear_head(model: nn.Module, *, layer: str, input_shape: tuple[int, ...] | None = None) -> nn.Linear | None:
    """The linear layer that takes the latent, at most rearranged, and gives the logits; None where there is none.

    What comes before the latent needs no rule, but a forward that can be followed.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> linear_head(model, layer="1"), linear_head(model, layer="0")
        (Linear(in_features=8, out_features=3, bias=True), None)
    """
    traced = trace(model, input_shape)
    latent = latent_node(traced, model, layer)
    found = _end(traced, latent)
    return found[0] if found is not None and _is_rearranged(traced, found[1], latent) else None


def _end(traced: Traced, latent: fx.Node) -> tuple[nn.Linear, fx.Node] | None:
    """The linear layer at the end, called once and after the latent, and what it takes."""
    node, calls = traced.logits, [n.target for n in traced.graph.nodes if n.op == "call_module"]
    module = traced.modules[str(node.target)] if node.op == "call_module" else None
    if not _is_linear(module) or calls.count(node.target) > 1 or latent is node:
        return None
    features = node.args[0] if node.args else None  # no rule is for a module called by keyword
    return (module, features) if isinstance(features, fx.Node) else None


def _is_rearranged(traced: Traced, features: fx.Node, latent: fx.Node) -> bool:
    while features is not latent and is_rearrangement(features, traced.modules):
        features = features.all_input_nodes[0]
    return features is latent


def _is_linear(module: nn.Module | None) -> TypeGuard[nn.Linear]:
    # By its rule: a subclass may have a forward, and a rule, of its own.
    return module is not None and find_rule(module) is linear


def _step_around(traced: Traced, inner: nn.Module) -> nn.Module | None:
    """The module that holds another, and that the trace takes as one step."""
    steps = (traced.modules[str(node.target)] for node in traced.graph.nodes if node.op == "call_module")
    return next((step for step in steps if step is not inner and inner in step.modules()), None)


def latent_node(traced: Traced, model: nn.Module, layer: str) -> fx.Node:
    """What the layer returned.

    Raises:
        LayerError: The layer is unknown, never called, or called more often than its name says.
        BoundError: It returns more than one tensor, or lies inside a module that is one step.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU())
        >>> str(latent_node(trace(model), model, "1").target)
        'model.1'
    """
    found = Layer.find(uncompiled(model), layer)
    if found.module is None:
        return traced.input
    returned = traced.returned.get(found.module, [])
    around = _step_around(traced, found.module)
    if not returned and around is not None:
        raise BoundError(
            f"a Lipschitz bound needs a layer that its trace reaches; layer {layer!r} lies inside a "
            f"{type(around).__name__}, which is one step of it"
        )
    number = found.call or 1
    if len(returned) < number or (found.call is None and len(returned) > 1):
        raise LayerError(
            f"layer {layer!r} must be called {number if found.call else 'once'} in a forward; found "
            f"{len(returned)} calls: name one of them, as in '{found.name}#1'"
        )
    node = returned[number - 1]
    if node is None:
        raise BoundError(
            f"a Lipschitz bound needs a layer that returns one tensor; layer {layer!r} returned a tuple or a mapping: "
            "choose another layer"
        )
    return node
