"""Activations: the supremum of the derivative's absolute value; for softmax the Jacobian's norm."""

import math

from torch import nn

from ratlp.bounds.lipschitz.rules import Shape, lipschitz_rule, refused, weights_of
from ratlp.bounds.rounding import rounded_up
from ratlp.perturbations import Norm

CONSTANTS: dict[type[nn.Module], float] = {
    nn.ReLU: 1.0,
    nn.ReLU6: 1.0,
    nn.Hardtanh: 1.0,
    nn.Tanh: 1.0,
    nn.Tanhshrink: 1.0,
    nn.Softshrink: 1.0,
    nn.Softsign: 1.0,
    nn.LogSigmoid: 1.0,
    nn.Sigmoid: 0.25,
    nn.Hardsigmoid: 0.16666666666666669,  # 1/6, rounded up
    nn.Hardswish: 1.5,
    nn.SELU: 1.7580993408473773,  # its scale * alpha
    nn.SiLU: 1.0998393201288672,
    nn.Mish: 1.088498161251728,
}
"""Of activations without parameters, in both norms; each is approached, up to its last digit, which is rounded up."""

_GELU = {"none": 1.1289041451851550, "tanh": 1.1289930686587720}


@lipschitz_rule(*CONSTANTS)
def activation(module: nn.Module, norm: Norm, shape: Shape | None = None) -> float:
    """The largest slope, from the table.

    Example:
        >>> activation(nn.Sigmoid(), "linf")
        0.25
    """
    return next(CONSTANTS[type_] for type_ in type(module).__mro__ if type_ in CONSTANTS)


@lipschitz_rule(nn.GELU)
def _gelu(module: nn.GELU, norm: Norm, shape: Shape | None = None) -> float:
    # Phi(x) + x phi(x) is largest at x = sqrt(2); the tanh form is steepest at x = 1.4185.
    return _GELU[module.approximate]


@lipschitz_rule(nn.LeakyReLU)
def _leaky_relu(module: nn.LeakyReLU, norm: Norm, shape: Shape | None = None) -> float:
    return max(1.0, abs(module.negative_slope))


@lipschitz_rule(nn.PReLU)
def _prelu(module: nn.PReLU, norm: Norm, shape: Shape | None = None) -> float:
    return max(1.0, float(weights_of(module).abs().amax()))


@lipschitz_rule(nn.ELU)
def _elu(module: nn.ELU, norm: Norm, shape: Shape | None = None) -> float:
    return max(1.0, abs(module.alpha))


@lipschitz_rule(nn.CELU)
def _celu(module: nn.CELU, norm: Norm, shape: Shape | None = None) -> float:
    if module.alpha <= 0:
        raise refused(module, norm, f"it needs alpha > 0; found {module.alpha}")
    return 1.0


@lipschitz_rule(nn.Softplus)
def _softplus(module: nn.Softplus, norm: Norm, shape: Shape | None = None) -> float:
    # At the threshold torch jumps from log(1 + exp(beta x)) / beta to x: by 2e-9 / beta at 20, which is rounding.
    if module.threshold < 20 or module.beta <= 0:
        raise refused(
            module, norm, f"it needs threshold >= 20 and beta > 0; found {module.threshold} and {module.beta}"
        )
    return 1.0


@lipschitz_rule(nn.Softmax, nn.Softmin, nn.Softmax2d)
def _softmax(module: nn.Module, norm: Norm, shape: Shape | None = None) -> float:
    # J = diag(p) - p p^T: its row sums are 2 p (1 - p) <= 1/2, and being symmetric its spectral norm is no larger.
    return 0.5


@lipschitz_rule(nn.LogSoftmax)
def _log_softmax(module: nn.LogSoftmax, norm: Norm, shape: Shape | None = None) -> float:
    # J = I - 1 p^T: row sums 2 (1 - p_i); as an oblique projection its spectral norm is ||1|| ||p|| <= sqrt(n).
    if norm == "linf":
        return 2.0
    if shape is None or module.dim is None:
        raise refused(module, norm, "it grows with the number of classes: give input_shape, and dim to the module")
    return rounded_up(math.sqrt(shape[module.dim]), 1)
