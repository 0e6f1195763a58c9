"""Calls of every function that has an interval rule, to hold the rules against points.

A case is `call(f, x, y)`: the function on one or two operands, which are intervals or points, `[3, 4]` unless it
reshapes them itself. Rules are found by the function's own name, whether it is a method or not.
"""

from functools import partial

import torch
from utils.rule_calls import (
    BOTH,
    DIVISIONS,
    INDEX,
    MASK,
    MATRIX,
    NUMBERS,
    OTHER,
    PLAIN,
    POSITIVE,
    PROJECTION,
    SIGNED,
    VECTOR,
    WITH_TENSOR,
    Call,
    in_place,
    options,
    same,
    shaped,
    two,
    weights,
)

ONE_ARGUMENT: dict[str, list[Call]] = same(
    (
        *("relu", "sigmoid", "tanh", "exp", "exp2", "expm1", "erf", "atan", "arctan", "expit", "sinh", "asinh", "selu"),
        *("softsign", "logsigmoid", "tanhshrink", "hardsigmoid", "relu6", "silu", "mish", "hardswish", "square"),
        *("abs", "absolute", "__abs__", "cosh", "sign", "sgn", "floor", "ceil", "round", "neg", "negative", "__neg__"),
        *("clone", "detach", "contiguous", "float", "double", "half", "bfloat16", "cpu", "fliplr", "flipud", "ravel"),
        *("t", "adjoint", "msort", "T.__get__", "mT.__get__", "H.__get__", "mH.__get__", "data.__get__"),
    ),
    [PLAIN],
)
POSITIVES = same(("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal"), [POSITIVE])
IN_PLACE: dict[str, list[Call]] = {
    **same(("relu_", "sigmoid_", "tanh_", "exp_", "selu_", "neg_"), [in_place()]),
    "sqrt_": [lambda f, x, y: in_place()(f, x * x + 0.5, y)],
    **same(
        ("add_", "__iadd__", "sub_", "__isub__", "mul_", "__imul__"),
        [in_place(OTHER), in_place(SIGNED), in_place(-2.0), in_place(VECTOR)],
    ),
    **same(("div_", "__itruediv__"), [in_place(SIGNED + 0.25), in_place(-2.0)]),
    **same(("clamp_", "clip_"), [in_place(-0.3, 0.4)]),
    "masked_fill_": [in_place(MASK, 0.7)],
    "leaky_relu_": [in_place(), in_place(0.4)],
    **same(("elu_", "celu_"), [in_place(), in_place(0.4)]),
    "hardtanh_": [in_place(), in_place(-0.2, 0.6)],
    "threshold_": [in_place(0.2, -0.5)],
    "rrelu_": [in_place(), in_place(0.3, 0.5)],
}
ACTIVATIONS: dict[str, list[Call]] = {
    "gelu": [PLAIN, options(approximate="tanh")],
    "hardtanh": [PLAIN, options(-0.2, 0.6), options(min_val=-0.5)],
    "softshrink": [PLAIN, options(0.3)],
    "hardshrink": [PLAIN, options(0.2)],
    "softplus": [PLAIN, options(3.0, 0.5), options(beta=0.5, threshold=0.1)],
    "leaky_relu": [PLAIN, options(0.4), options(negative_slope=1.5)],
    "elu": [PLAIN, options(0.4)],
    "celu": [PLAIN, options(alpha=0.4)],
    "rrelu": [PLAIN, options(0.3, 0.5)],
    "prelu": [options(VECTOR), options(torch.tensor([-0.6], dtype=torch.float64))],
    "threshold": [options(0.2, -0.5), options(0.2, 0.2)],
    **same(("clamp", "clip"), [options(-0.3, 0.4), options(max=0.1), options(min=SIGNED)]),
    "clamp_min": [options(-0.2)],
    "clamp_max": [options(0.3)],
    "glu": [PLAIN, options(dim=1)],
    "dropout": [options(0.5, False)],
    **same(("dropout1d", "alpha_dropout", "feature_alpha_dropout"), [options(0.5, training=False)]),
    "dropout2d": [shaped(1, 3, 2, 2, training=False)],
    "dropout3d": [shaped(1, 3, 2, 2, 1, training=False)],
}
ARITHMETIC: dict[str, list[Call]] = {
    **same(("add", "sub", "subtract"), two(*NUMBERS, options(SIGNED, alpha=-2), lambda f, x, y: f(x, y, alpha=-1))),
    "rsub": two(*NUMBERS, options(1.0, alpha=-3)),
    **same(("__add__", "__radd__", "__sub__", "__rsub__"), two(*NUMBERS)),
    **same(("mul", "multiply", "__mul__", "__rmul__"), two(*NUMBERS, lambda f, x, y: f(x, x), options(MASK))),
    **same(("div", "divide", "true_divide", "__truediv__"), DIVISIONS),
    "__rtruediv__": [lambda f, x, y: f(x * x + 0.5, y), lambda f, x, y: f(x * x + 0.5, -3.0)],
    **same(("maximum", "minimum"), two()),
    **same(("pow", "__pow__"), [options(2), options(3), options(4.0), options(0), options(1)]),
    "__rpow__": [options(2), options(0.3)],
    "addcmul": [lambda f, x, y: f(x, x, y, value=-2), options(SIGNED, VECTOR), lambda f, x, y: f(SIGNED, x, VECTOR)],
    "addcdiv": [lambda f, x, y: f(x, x, y * y + 1, value=-2), options(SIGNED, VECTOR + 0.25)],
    "lerp": [
        lambda f, x, y: f(x, y, 0.3),
        options(SIGNED, 1.7),
        options(SIGNED, VECTOR),
        lambda f, x, y: f(SIGNED, y, x),
    ],
}
ARITHMETIC["pow"] = [
    *ARITHMETIC["__pow__"],
    lambda f, x, y: f(x * x + 0.5, -1.5),
    lambda f, x, y: f(x * x, 0.5),
]
MATRIX_PRODUCTS: list[Call] = [options(MATRIX), lambda f, x, y: f(x, y.T), lambda f, x, y: f(MATRIX, x)]
PRODUCTS: dict[str, list[Call]] = {
    **same(
        ("matmul", "__matmul__", "mm", "spmm"),
        MATRIX_PRODUCTS,
    ),
    "__rmatmul__": [lambda f, x, y: f(x, MATRIX), lambda f, x, y: f(x, y.T)],
    "bmm": [lambda f, x, y: f(x[None], y.T[None]), lambda f, x, y: f(x[None], MATRIX[None])],
    "mv": [options(VECTOR), lambda f, x, y: f(x, y[0]), lambda f, x, y: f(SIGNED, y[0])],
    "dot": [lambda f, x, y: f(x[0], y[1]), lambda f, x, y: f(x[0], VECTOR)],
    "inner": [WITH_TENSOR, BOTH],
    "outer": [lambda f, x, y: f(x[0], y[1]), lambda f, x, y: f(VECTOR, x[0])],
    "linear": [options(MATRIX.T), options(MATRIX.T, -MATRIX[0, :3]), lambda f, x, y: f(SIGNED, x, y[:, 0]), BOTH],
    "bilinear": [lambda f, x, y: f(x, y, weights(2, 4, 4), weights(2)), lambda f, x, y: f(x, SIGNED, weights(2, 4, 4))],
    "einsum": [
        lambda f, x, y: f("ij,kj->ik", x, y),
        lambda f, x, y: f("ij,jk", x, MATRIX),
        lambda f, x, y: f("ij->j", x),
        lambda f, x, y: f("ij,kj->ik", SIGNED, x),
    ],
    "addmm": [
        lambda f, x, y: f(x[:, :3], x, MATRIX, beta=-1, alpha=2),
        lambda f, x, y: f(MATRIX[:3], x, y.T),
    ],
    "baddbmm": [lambda f, x, y: f(x[None, :, :3], x[None], MATRIX[None], alpha=-2)],
    "conv1d": [shaped(1, 2, 6, given=(weights(3, 2, 3), weights(3), 2, 1)), shaped(2, 6, given=(weights(3, 2, 2),))],
    "conv2d": [
        shaped(1, 3, 2, 2, given=(weights(2, 3, 3, 3), weights(2)), padding="same"),
        shaped(1, 2, 2, 3, given=(weights(4, 1, 2, 2), None, 1, 1), groups=2),
        lambda f, x, y: f(x.reshape(1, 1, 3, 4), y.reshape(2, 1, 2, 3), weights(2)),
        lambda f, x, y: f(weights(1, 1, 3, 4), y.reshape(2, 1, 2, 3), x[0, :2]),
    ],
    "conv3d": [shaped(1, 1, 3, 2, 2, given=(weights(2, 1, 2, 2, 2), weights(2)))],
    "conv_transpose1d": [shaped(1, 2, 6, given=(weights(2, 3, 3), weights(3), 2, 1, 1))],
    "conv_transpose2d": [shaped(1, 3, 2, 2, given=(weights(3, 2, 2, 2),), stride=2)],
    "conv_transpose3d": [shaped(1, 1, 3, 2, 2, given=(weights(1, 2, 2, 2, 2), weights(2)))],
}
IMAGE = partial(shaped, 1, 1, 3, 4)
REDUCTIONS: dict[str, list[Call]] = {
    "sum": [PLAIN, options(1), options((0, 1), keepdim=True), options(dtype=torch.float64), options(dim=-1)],
    "mean": [PLAIN, options(1), options((0, 1), True), options(())],
    **same(("amax", "amin"), [PLAIN, options(1), options((0, 1), True)]),
    "logsumexp": [options(1), options((0, 1), keepdim=True)],
    "cumsum": [options(1), options(dim=0)],
    "var": [PLAIN, options(1), options((0, 1), False, True), options(1, correction=0), options(False)],
    "std": [PLAIN, options(1, keepdim=True)],
    "vector_norm": [PLAIN, options(1), options(float("inf"), 1), options(3.0, (0, 1), True), options(float("-inf"), 1)],
    "norm": [PLAIN, options(dim=1), options(1, 0)],
    "avg_pool1d": [options(2), options(3, 1, 1), options(3, 2, 1, True, False)],
    "avg_pool2d": [IMAGE(given=(2,)), IMAGE(given=(3, 2, 1, True, False)), IMAGE(given=(2,), divisor_override=3)],
    "avg_pool3d": [shaped(1, 1, 3, 2, 2, given=(2, 1, 1))],
    "adaptive_avg_pool1d": [options(3)],
    "adaptive_avg_pool2d": [IMAGE(given=((2, 3),))],
    "adaptive_avg_pool3d": [shaped(1, 1, 3, 2, 2, given=(1,))],
    "max_pool1d": [options(2), options(3, 1, 1), options(3, 2, 1, 1, True)],
    "max_pool2d": [IMAGE(given=(2,)), IMAGE(given=(3, 1, 1)), IMAGE(given=(2,), ceil_mode=True)],
    "max_pool3d": [shaped(1, 1, 3, 2, 2, given=(2, 1, 1))],
    "adaptive_max_pool1d": [options(3)],
    "adaptive_max_pool2d": [IMAGE(given=((2, 3),))],
    "adaptive_max_pool3d": [shaped(1, 1, 3, 2, 2, given=(1,))],
    "max_pool1d_with_indices": [options(2)],
    "max_pool2d_with_indices": [IMAGE(given=(2,))],
    "max_pool3d_with_indices": [shaped(1, 1, 3, 2, 2, given=(2,))],
    "adaptive_max_pool1d_with_indices": [options(3)],
    "adaptive_max_pool2d_with_indices": [IMAGE(given=((2, 3),))],
    "adaptive_max_pool3d_with_indices": [shaped(1, 1, 3, 2, 2, given=(1,))],
    **same(("max", "min"), [PLAIN, options(1), options(dim=0, keepdim=True), BOTH, WITH_TENSOR]),
    "sort": [PLAIN, options(0, True), options(dim=1, descending=True)],
    "topk": [options(2), options(2, 0, False), options(k=3, dim=0, sorted=True)],
    "kthvalue": [options(2), options(1, 0, True)],
    **same(("cummax", "cummin"), [options(1), options(dim=0)]),
    "interpolate": [
        IMAGE(scale_factor=2),
        IMAGE(size=(5, 3), mode="bilinear"),
        IMAGE(size=(5, 3), mode="bilinear", align_corners=True, antialias=False),
        IMAGE(given=((2, 2), None, "area")),
        shaped(1, 3, 4, given=(6, None, "linear")),
    ],
}
STATISTICS = (weights(3), weights(3).square() + 0.1)
NORMALISATIONS: dict[str, list[Call]] = {
    "layer_norm": [
        options((4,), VECTOR, SIGNED[0], 1e-3),
        options((3, 4), SIGNED, MATRIX.T),
        options((4,)),
        shaped(12, 1, given=((1,),)),
    ],
    "rms_norm": [options((4,), VECTOR), options((3, 4), eps=0.1)],
    "group_norm": [
        shaped(2, 6, given=(3, weights(6), weights(6))),
        shaped(1, 4, 3, given=(2,)),
        shaped(1, 2, 3, 2, given=(2, weights(2))),
    ],
    "instance_norm": [
        shaped(1, 3, 4),
        shaped(1, 3, 4, given=(*STATISTICS, weights(3), weights(3), True)),
        shaped(1, 3, 4, given=(*STATISTICS, weights(3), weights(3), False)),
    ],
    "batch_norm": [
        shaped(4, 3, given=(*STATISTICS, weights(3), weights(3), False)),
        shaped(2, 3, 2, given=STATISTICS),
        shaped(1, 3, 2, 2, given=(*STATISTICS, weights(3))),
    ],
    "torch.batch_norm": [shaped(2, 3, 2, given=(weights(3), -weights(3), *STATISTICS, False, 0.1, 0.3, False))],
    "normalize": [PLAIN, options(dim=0), options(eps=0.5)],
    **same(("softmax", "log_softmax", "softmin"), [options(1), options(dim=0), shaped(12, 1, given=(1,))]),
    "scaled_dot_product_attention": [
        lambda f, x, y: f(x, y, x),
        lambda f, x, y: f(x, y, SIGNED, is_causal=True),
        lambda f, x, y: f(SIGNED, SIGNED, x, attn_mask=torch.eye(3, dtype=torch.bool)),
        lambda f, x, y: f(x, y, x, attn_mask=weights(3, 3), scale=-0.7),
        lambda f, x, y: f(
            x.view(1, 2, 3, 2), y[:, :2].reshape(1, 1, 3, 2), SIGNED[:, :2].view(1, 1, 3, 2), enable_gqa=True
        ),
    ],
    "multi_head_attention_forward": [
        lambda f, x, y: f(
            *(x, y, SIGNED, 4, 2, weights(12, 4), weights(12), None, None, False, 0.0, PROJECTION, VECTOR, False),
            attn_mask=torch.ones(3, 3, dtype=torch.bool).triu(1),
        )
    ],
}
JOINED: list[Call] = [
    lambda f, x, y: f([x, y]),
    lambda f, x, y: f((SIGNED, x), 1),
    lambda f, x, y: f([x @ MATRIX, y @ MATRIX], dim=1),
]
SHAPES: dict[str, list[Call]] = {
    **same(("reshape", "view"), [options((2, 6)), options((-1,))]),
    "permute": [options((1, 0))],
    **same(("transpose", "swapaxes", "swapdims"), [options(0, 1)]),
    **same(("movedim", "moveaxis"), [options(0, 1)]),
    "squeeze": [shaped(1, 3, 1, 4), shaped(1, 3, 4, given=(0,))],
    "unsqueeze": [options(1)],
    "expand": [shaped(1, 3, 4, given=(2, 3, 4))],
    "narrow": [options(1, 1, 2)],
    "select": [options(1, 2)],
    "flatten": [PLAIN, shaped(2, 3, 2, given=(1,))],
    "unflatten": [options(1, (2, 2))],
    "diagonal": [PLAIN, options(1)],
    "torch.Tensor.unfold": [options(1, 2, 1)],
    "torch.nn.functional.unfold": [IMAGE(given=(2,), padding=1)],
    "expand_as": [lambda f, x, y: f(x[:1], y), lambda f, x, y: f(VECTOR, y) + x],
    "reshape_as": [lambda f, x, y: f(x, y.T)],
    "view_as": [lambda f, x, y: f(x, y), lambda f, x, y: f(x, x)],
    "to": [options(torch.float64), lambda f, x, y: f(x, y), lambda f, x, y: x + f(SIGNED, y)],
    "type": [options(torch.float64)],
    "type_as": [BOTH],
    "tile": [options((2, 1))],
    "repeat": [options(2, 1)],
    "repeat_interleave": [options(2, 1)],
    "flip": [options((0, 1))],
    "roll": [options(1, 1)],
    "rot90": [PLAIN],
    "index_select": [options(1, torch.tensor([2, 0, 0]))],
    "gather": [options(1, INDEX), options(index=INDEX, dim=1)],
    "take_along_dim": [options(INDEX, 1)],
    "take": [options(INDEX)],
    **same(("tril", "triu"), [PLAIN, options(1)]),
    "masked_select": [options(MASK)],
    "split": [options(2, 1), options((1, 2), 0)],
    "split_with_sizes": [options((1, 2), 0)],
    **same(("chunk", "tensor_split"), [options(2, 1)]),
    "unbind": [PLAIN, options(1)],
    "hsplit": [options(2)],
    "vsplit": [options(3)],
    "dsplit": [shaped(1, 3, 4, given=(2,))],
    "pixel_shuffle": [shaped(1, 4, 3, 1, given=(2,))],
    "pixel_unshuffle": [shaped(1, 1, 2, 6, given=(2,))],
    "channel_shuffle": [shaped(1, 4, 3, 1, given=(2,))],
    "fold": [shaped(1, 4, 3, given=((2, 4), 2))],
    "pad": [options((1, 2), value=-0.3), shaped(1, 3, 4, given=((2, 1), "reflect")), options((-1, 0))],
    **same(
        ("cat", "concat", "concatenate", "stack"),
        [
            lambda f, x, y: f([x, y]),
            lambda f, x, y: f((SIGNED, x), 1),
            lambda f, x, y: f([x @ MATRIX, y @ MATRIX], dim=1),
        ],
    ),
    **same(("hstack", "vstack"), [lambda f, x, y: f([x, SIGNED])]),
    "torch.where": [lambda f, x, y: f(MASK, x, y), lambda f, x, y: f(MASK, 0.3, y), lambda f, x, y: f(MASK, x, SIGNED)],
    "torch.Tensor.where": [
        lambda f, x, y: f(x, MASK, y),
        lambda f, x, y: f(SIGNED, MASK, y),
        lambda f, x, y: f(x, MASK, 0.0),
    ],
    "masked_fill": [options(MASK, -2.0)],
    "__getitem__": [
        options((slice(None), 1)),
        options((..., None)),
        options(MASK),
        options(0),
        options((INDEX[0, :2], -1)),
    ],
    "__setitem__": [in_place((slice(None), 1), 0.5), in_place(MASK, -1.0), in_place(slice(None), OTHER)],
    "__iter__": [lambda f, x, y: list(f(x))],
    **same(("zeros_like", "ones_like"), [lambda f, x, y: x + f(x)]),
    "full_like": [lambda f, x, y: x + f(x, 2.0)],
    **same(("rand_like", "randn_like", "empty_like"), [lambda f, x, y: x + 0 * f(x).nan_to_num(0, 0, 0)]),
    **same(("new_zeros", "new_ones"), [lambda f, x, y: x + f(x, (4,))]),
    "new_empty": [lambda f, x, y: x + f(x, (4,)).zero_()],
    "new_full": [lambda f, x, y: x + f(x, (4,), 0.5)],
    "new_tensor": [lambda f, x, y: x + f(x, [1.0, 2.0, 3.0, 4.0])],
}

CASES: dict[str, list[Call]] = {
    **ONE_ARGUMENT,
    **POSITIVES,
    **IN_PLACE,
    **ACTIVATIONS,
    **ARITHMETIC,
    **PRODUCTS,
    **REDUCTIONS,
    **NORMALISATIONS,
    **SHAPES,
}


def cases_of(name: str) -> list[Call]:
    """The calls of a function by its full name, such as `torch.Tensor.add`; none if nobody wrote one."""
    short = name.removesuffix(".__get__").rpartition(".")[2] + (".__get__" if name.endswith(".__get__") else "")
    return CASES.get(name, CASES.get(short, []))
