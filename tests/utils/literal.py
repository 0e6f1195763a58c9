"""Algorithm 1 of the paper, word for word, on a whole model: two full forwards and plain hooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from utils.architecture import logits_of, run

Gradients = dict[str, Tensor | None]


def literal_step(
    model: nn.Module, inputs: Any, y: Tensor, *, layer: str, eps: float, weight: float
) -> tuple[Tensor, Gradients]:
    """The loss of Algorithm 1 and its gradient in every parameter that asks for one.

    With z the layer's output (the first tensor in it), loss = CE(clean) + weight * CE(adversarial), where the
    adversarial forward is the whole model with z + eps * sign(grad_z CE(clean)) in place of z, and the
    perturbation is a constant. grad_z is the partial gradient through the layer's output alone: it does not
    count the ways by which what came before the layer passes it by.

    The gradients of the two terms are taken one by one, each while its hook is in place, since activation
    checkpointing calls the layer again in the backward pass. The buffers are left as the clean forward left
    them; parameters' `.grad` is not touched.
    """
    module = model.get_submodule(layer)
    latents: list[Tensor] = []

    def capture(output: Tensor) -> Tensor:
        z = output.clone()
        if not z.requires_grad:  # everything before is frozen
            z.requires_grad_()
        latents.append(z)
        return z.clone()  # what comes next may change it in place

    with _output_replaced(module, capture):
        clean = cross_entropy(logits_of(run(model, inputs)), y)
        assert latents, f"the forward did not call {layer!r}"
        z = latents[0]
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        (gradient,) = torch.autograd.grad(clean, z, retain_graph=True, allow_unused=True)
        clean_gradients = parameter_gradients(clean, model)
    delta = torch.zeros_like(z) if gradient is None else eps * gradient.sign()

    with _output_replaced(module, lambda output: output + delta):
        adversarial = cross_entropy(logits_of(run(model, inputs)), y)
        adversarial_gradients = parameter_gradients(adversarial, model)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])

    loss = clean.detach() + weight * adversarial.detach()
    return loss, {
        name: _weighted_sum(gradient, weight, adversarial_gradients[name]) for name, gradient in clean_gradients.items()
    }


def parameter_gradients(loss: Tensor, model: nn.Module) -> Gradients:
    """The gradients of `loss` by name, None where a parameter has no part in it."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: _dense(gradient) for name, gradient in zip(named, found, strict=True)}


def assert_gradients_match(model: nn.Module, expected: Gradients, *, relative: float = 1e-9) -> None:
    """Each parameter's `.grad` is `expected`, relative to the largest entry expected; None counts as zeros.

    A gradient that is zero but for rounding (a bias before a BatchNorm) has no scale of its own; it is held
    against 1e-5 of the largest gradient in the model.
    """
    assert set(expected) == {name for name, p in model.named_parameters() if p.requires_grad}
    wrong = [
        f"{name}: {difference:.2e}"
        for name, difference in relative_differences(model, expected).items()
        if not difference <= relative
    ]
    assert not wrong, f"gradients differ by more than {relative:g}: " + ", ".join(wrong)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    assert not frozen, f"frozen parameters were given gradients: {frozen}"


def relative_differences(model: nn.Module, expected: Gradients) -> dict[str, float]:
    """Of each parameter, the largest difference of its `.grad`, in units of the largest entry expected."""
    largest = max((float(g.abs().max()) for g in expected.values() if g is not None), default=0.0)
    floor = max(1e-5 * largest, 1e-12)
    differences = {}
    for name, gradient in expected.items():
        parameter = model.get_parameter(name)
        wanted = torch.zeros_like(parameter) if gradient is None else gradient
        actual = torch.zeros_like(parameter) if parameter.grad is None else _dense(parameter.grad)
        differences[name] = float((actual - wanted).abs().max()) / max(float(wanted.abs().max()), floor)
    return differences


def assert_buffers_equal(model: nn.Module, twin: nn.Module) -> None:
    """Running statistics and all other buffers have moved alike."""
    expected = dict(twin.named_buffers())
    wrong = [
        name
        for name, buffer in model.named_buffers()
        if not torch.allclose(buffer.double(), expected[name].double(), rtol=1e-12, atol=1e-12)
    ]
    assert not wrong, f"buffers differ: {wrong}"


@contextmanager
def _output_replaced(module: nn.Module, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While open, the first tensor that the module returns is `function` of what it was."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        with torch.enable_grad():  # the module may have been called under no_grad
            return _with_first(output, function)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _with_first(output: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(output, Tensor):
        return function(output)
    if isinstance(output, (tuple, list)):
        return type(output)([function(output[0]), *output[1:]])
    first = next(key for key, item in output.items() if isinstance(item, Tensor))
    return type(output)({**output, first: function(output[first])})


def _dense(gradient: Tensor | None) -> Tensor | None:
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def _weighted_sum(first: Tensor | None, weight: float, second: Tensor | None) -> Tensor | None:
    if second is None:
        return first
    return weight * second if first is None else first + weight * second
