"""Rules of attention, from its definition."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.rules import interval_rule
from ratlp.errors import BoundError


@interval_rule(functional.scaled_dot_product_attention, anywhere=True)
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """As in its definition: softmax(q k^T scale + mask) v."""
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(groups, -3) for x in (key, value))
    if is_causal:
        if attn_mask is not None:
            raise BoundError("attention takes a mask or is_causal; found both")
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    return _attended(query, key, value, attn_mask, dropout_p, scale)[0]


def _attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """And the weights that the keys get."""
    scores = torch.matmul(query, key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    weights = functional.dropout(functional.softmax(scores, -1), dropout_p)
    return torch.matmul(weights, value), weights


@interval_rule(functional.multi_head_attention_forward, anywhere=True)
def _multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Of `nn.MultiheadAttention`, which calls it with `[length, batch, features]` or `[length, features]`."""
    if any(extra is not None for extra in (bias_k, bias_v, static_k, static_v)) or add_zero_attn:
        raise BoundError("multi-head attention has an interval rule without added keys; found bias_k or add_zero_attn")
    if is_causal and attn_mask is None:
        raise BoundError("multi-head attention needs attn_mask where is_causal is given; found none")
    weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight) if in_proj_weight is None else in_proj_weight.chunk(3)
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (
        _heads(functional.linear(x, w, b), num_heads)
        for x, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    mask = _mask(attn_mask, key_padding_mask, num_heads, q)
    found, attended = _attended(q, k, v, mask, dropout_p if training else 0.0)
    joined = found.movedim(-2, 0).flatten(-2)  # [length, (batch,) features]
    output = functional.linear(joined, out_proj_weight, out_proj_bias)
    if not need_weights:
        return output, None
    return output, attended.mean(-3) if average_attn_weights else attended


def _heads(x: Tensor, count: int) -> Tensor:
    """`[length, (batch,) features]` to `[(batch,) heads, length, features per head]`."""
    return x.reshape(*x.shape[:-1], count, -1).movedim(0, -2)


def _mask(attn_mask: Tensor | None, key_padding_mask: Tensor | None, heads: int, q: Tensor) -> Any:
    """What is added to the scores `[(batch,) heads, length, keys]`; True in torch's masks means: not attended to."""
    found = None
    if attn_mask is not None:
        found = _added(attn_mask, q.dtype)
        if found.dim() == 3:
            found = found.unflatten(0, (-1, heads)) if q.dim() == 4 else found
    if key_padding_mask is not None:
        padding = _added(key_padding_mask, q.dtype)[..., None, None, :]
        found = padding if found is None else found + padding
    return found


def _added(mask: Tensor, dtype: torch.dtype) -> Any:
    if mask.dtype != torch.bool:
        return mask
    return torch.where(mask, -math.inf, torch.zeros((), dtype=dtype, device=mask.device))
