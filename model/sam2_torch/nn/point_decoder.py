"""The mask decoder for many single points of one image, in fewer operations.

Notes
-----
The function is that of `MaskDecoder` with three candidates, in another order of sums. What
does not depend on the point (the first layer's pixels) is computed once. Keys and values of
the pixels are never computed: their projections are folded into the few tokens. Only
candidates whose predicted IoU is high enough are upscaled. For inference only: it writes in
place.
"""

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_torch.nn.attention import Attention
from sam2_torch.nn.mask_decoder import MULTIMASKS, MaskDecoder, TwoWayBlock

if TYPE_CHECKING:
    from sam2_torch.nn.blocks import LayerNorm2d

NEEDED_TOKENS = (0, 1, 3, 4, 5)  # object score, IoU, three masks; the single mask's is left out


class DecodedPoints(NamedTuple):
    """Output of the transformer and the heads for N points, before any mask is computed.

    Attributes
    ----------
    ious
        (N, 3) predicted IoU of the candidates.
    object_scores
        (N,) logit that there is an object.
    tokens
        (N, 3, C) output tokens of the candidates.
    pixels
        (N, HW, C) pixels after the transformer.
    """

    ious: Tensor
    object_scores: Tensor
    tokens: Tensor
    pixels: Tensor


class PointDecoder:
    """Decode points of one image.

    Parameters
    ----------
    decoder
        The network's mask decoder.
    pixels
        (1, C, H, W) features of the image with the embedding of no mask added.
    pixel_position
        (1, C, H, W) position encoding of the features.
    skips
        Features of strides 4 and 8, (1, C / 8, 4 H, 4 W) and (1, C / 4, 2 H, 2 W).
    """

    def __init__(
        self,
        decoder: MaskDecoder,
        pixels: Tensor,
        pixel_position: Tensor,
        skips: tuple[Tensor, ...],
    ) -> None:
        self._decoder = decoder
        self._size = (pixels.shape[-2], pixels.shape[-1])
        self._pixels = pixels.flatten(2).transpose(1, 2).contiguous()  # (1, HW, C)
        self._position = pixel_position.flatten(2).transpose(1, 2).contiguous()  # (1, HW, C)
        self._layers = [cast("TwoWayBlock", layer) for layer in decoder.transformer.layers]
        first = self._layers[0]
        placed = self._pixels + self._position
        cross = first.cross_attn_token_to_image
        self._keys, self._values = cross.k_proj(placed)[0], cross.v_proj(self._pixels)[0]
        self._queries = first.cross_attn_image_to_token.q_proj(placed)[0]  # (HW, inner)
        upscaling = decoder.output_upscaling
        first_bias, second_bias = (_bias(cast("nn.ConvTranspose2d", upscaling[i])) for i in (0, 3))
        self._skip8 = _blocks(skips[1]) + first_bias  # (1, HW, 2, 2, C / 4)
        self._skip4 = _blocks(_split_blocks(skips[0])) + second_bias  # (4, HW, 2, 2, C / 8)

    def decode(self, prompts: Tensor) -> DecodedPoints:
        """Run the transformer and the heads on (N, P, C) embedded points."""
        decoder = self._decoder
        transformer = decoder.transformer
        fixed = (
            decoder.obj_score_token.weight,
            decoder.iou_token.weight,
            decoder.mask_tokens.weight,
        )
        # (N, 6 + P, C)
        prompts = torch.cat((torch.cat(fixed).expand(len(prompts), -1, -1), prompts), dim=1)
        first, second = self._layers
        tokens = first.norm1(first.self_attn(prompts, prompts, prompts))
        cross = first.cross_attn_token_to_image
        tokens = _update(first, tokens, self._attend_to_shared(cross, tokens + prompts))
        cross = first.cross_attn_image_to_token
        weights = self._shared_weights(cross, tokens + prompts)
        pixels = first.norm4(
            torch.baddbmm(self._pixels, *_attended_factors(cross, weights, tokens))
        )

        placed = tokens + prompts
        tokens = second.norm1(tokens + second.self_attn(placed, placed, tokens))
        placed_pixels = pixels + self._position
        cross = second.cross_attn_token_to_image
        attended = _attend_to_pixels(cross, tokens + prompts, placed_pixels, pixels)
        tokens = _update(second, tokens, attended)
        cross = second.cross_attn_image_to_token
        weights = _pixel_weights(cross, tokens + prompts, placed_pixels)
        pixels = second.norm4(pixels.baddbmm_(*_attended_factors(cross, weights, tokens)))

        needed = list(NEEDED_TOKENS)
        tokens, prompts = tokens[:, needed], prompts[:, needed]
        cross = transformer.final_attn_token_to_image
        placed_pixels = pixels + self._position
        attended = _attend_to_pixels(cross, tokens + prompts, placed_pixels, pixels)
        tokens = transformer.norm_final_attn(tokens + attended)
        ious = decoder.iou_prediction_head(tokens[:, 1])[:, 1:]
        object_scores = decoder.pred_obj_score_head(tokens[:, 0])[:, 0]
        return DecodedPoints(ious, object_scores, tokens[:, 2:], pixels)

    def masks(self, decoded: DecodedPoints, points: Tensor, candidates: Tensor) -> Tensor:
        """Return the logits of chosen candidates, (M, 4 H, 4 W).

        Parameters
        ----------
        decoded
            Result of `decode`.
        points, candidates
            (M,) index of the point and of its candidate, 0 to 2; points in ascending order.
        """
        rows, place = torch.unique_consecutive(points, return_inverse=True)
        upscaled = self._upscale(decoded.pixels[rows])  # (R, 16 HW, C / 8)
        networks = self._decoder.output_hypernetworks_mlps
        tokens = decoded.tokens[rows]
        weights = torch.stack(
            [networks[i + 1](tokens[:, i]) for i in range(MULTIMASKS)], dim=2
        )  # (R, C / 8, 3)
        logits = (upscaled @ weights)[place, :, candidates]
        (h, w), n = self._size, len(logits)
        # (2, 2) of the second upscaling inside of (2, 2) of the first inside of (H, W)
        blocks = logits.reshape(n, 2, 2, h, w, 2, 2).permute(0, 3, 1, 5, 4, 2, 6)
        return blocks.reshape(n, 4 * h, 4 * w)

    def _upscale(self, pixels: Tensor) -> Tensor:
        """Upscale (R, HW, C) pixels by four, (R, 16 HW, C / 8) in blocks."""
        layers = list(self._decoder.output_upscaling)
        first, second = (cast("nn.ConvTranspose2d", layers[i]) for i in (0, 3))
        norm, activation, last_activation = cast("LayerNorm2d", layers[1]), layers[2], layers[4]
        upscaled = pixels @ _as_matrix(first.weight)  # (R, HW, 4 C / 4)
        upscaled = upscaled.unflatten(2, (2, 2, -1)).add_(self._skip8)  # (R, HW, 2, 2, C / 4)
        upscaled = F.layer_norm(upscaled, norm.weight.shape, norm.weight, norm.bias, norm.eps)
        upscaled = activation(upscaled).permute(0, 2, 3, 1, 4).flatten(1, 2)  # (R, 4, HW, C / 4)
        upscaled = upscaled @ _as_matrix(second.weight)
        upscaled = upscaled.unflatten(3, (2, 2, -1)).add_(self._skip4)  # (R, 4, HW, 2, 2, C / 8)
        return torch.flatten(last_activation(upscaled), 1, 4)

    def _attend_to_shared(self, attention: Attention, tokens: Tensor) -> Tensor:
        """Attend from (N, T, C) tokens to the first layer's pixels, which all points share."""
        queries = _apart(attention.split_heads(attention.q_proj(tokens)))  # (N, heads, T, inner)
        n, heads, t, inner = queries.shape
        scores = queries.flatten(0, 2) @ (_scale(attention) * self._keys.T)  # (N * heads * T, HW)
        seen = scores.softmax(-1) @ self._values
        seen = seen.view(n, heads, t, heads, inner // heads)  # columns of all heads
        own = torch.arange(heads, device=seen.device)
        # the columns of the own head: (heads, N, T, d) -> (N, T, heads * d)
        return attention.out_proj(seen[:, own, :, own].permute(1, 2, 0, 3).flatten(2))

    def _shared_weights(self, attention: Attention, tokens: Tensor) -> Tensor:
        """Compute the attention of the first layer's pixels to the tokens, (N, heads, T, HW)."""
        keys = _apart(attention.split_heads(attention.k_proj(tokens)))
        scores = keys.flatten(0, 2) @ (_scale(attention) * self._queries.T)  # (N * heads * T, HW)
        return scores.view(*keys.shape[:3], -1).softmax(2)


def _scale(attention: Attention) -> float:
    return float((attention.q_proj.out_features / attention.heads) ** -0.5)


def _apart(rows: Tensor) -> Tensor:
    """Lay (N, heads, T, d) rows out as (N, heads, T, heads * d), zero outside their own head."""
    heads = rows.shape[1]
    own = torch.eye(heads, dtype=rows.dtype, device=rows.device)[:, None, :, None]
    return (rows.unsqueeze(3) * own).flatten(3)


def _fold(rows: Tensor, weight: Tensor) -> Tensor:
    """Multiply (N, heads, T, d) rows by a projection's weight (heads * d, C): (N, heads, T, C)."""
    return rows @ weight.unflatten(0, (rows.shape[1], -1))


def _attend_to_pixels(
    attention: Attention, tokens: Tensor, placed_pixels: Tensor, pixels: Tensor
) -> Tensor:
    """Attend from (N, T, C) tokens to (N, HW, C) pixels without computing keys and values."""
    queries = attention.split_heads(attention.q_proj(tokens)) * _scale(attention)
    folded = _fold(queries, attention.k_proj.weight)  # the bias of keys shifts all scores alike
    n, heads, t, width = folded.shape
    scores = folded.view(n, heads * t, width) @ placed_pixels.transpose(1, 2)  # (N, heads * T, HW)
    seen = (scores.softmax(-1) @ pixels).view(n, heads, t, width)  # (N, heads, T, C)
    value = attention.v_proj
    seen = seen @ value.weight.unflatten(0, (heads, -1)).transpose(1, 2)  # (N, heads, T, d)
    return attention.out_proj(seen.transpose(1, 2).flatten(2) + value.bias)


def _pixel_weights(attention: Attention, tokens: Tensor, placed_pixels: Tensor) -> Tensor:
    """Compute attention weights from (N, HW, C) pixels to the tokens, (N, heads, T, HW)."""
    keys = attention.split_heads(attention.k_proj(tokens)) * _scale(attention)
    folded = _fold(keys, attention.q_proj.weight)
    n, heads, t, width = folded.shape
    bias = (keys @ attention.q_proj.bias.view(heads, -1, 1)).view(n, heads * t, 1)
    scores = (folded.view(n, heads * t, width) @ placed_pixels.transpose(1, 2)).add_(bias)
    return scores.view(n, heads, t, -1).softmax(2)


def _attended_factors(
    attention: Attention, weights: Tensor, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """Split the attention of pixels to (N, T, C) tokens into two factors.

    Their product, (N, HW, heads * T) @ (N, heads * T, C), is added to the pixels. The weights of
    a head, (N, heads, T, HW), sum to 1, so the output's bias is added to the few values instead.
    """
    values = attention.split_heads(attention.v_proj(tokens))  # (N, heads, T, d)
    out = attention.out_proj
    values = values @ out.weight.T.unflatten(0, (attention.heads, -1))  # (N, heads, T, C)
    values = values.add_(out.bias / attention.heads)
    # (N, HW, heads * T) and (N, heads * T, C)
    return weights.flatten(1, 2).transpose(1, 2), values.flatten(1, 2)


def _update(layer: TwoWayBlock, tokens: Tensor, attended: Tensor) -> Tensor:
    tokens = layer.norm2(tokens + attended)
    return layer.norm3(tokens + layer.mlp(tokens))


def _blocks(features: Tensor) -> Tensor:
    """Rearrange (B, C, 2 H, 2 W) features to (B, HW, 2, 2, C)."""
    return (
        features.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 3, 5, 1).flatten(1, 2)
    )


def _split_blocks(features: Tensor) -> Tensor:
    """Split (1, C, 4 H, 4 W) into the (4, C, 2 H, 2 W) of each place in the first block."""
    _, channels, height, width = features.shape
    blocks = features.view(channels, height // 4, 2, 2, width // 4, 2, 2)  # (C, H, 2, 2, W, 2, 2)
    parts = blocks.permute(2, 5, 0, 1, 3, 4, 6)  # (2, 2, C, H, 2, W, 2)
    return parts.reshape(4, channels, height // 2, width // 2)


def _as_matrix(weight: Tensor) -> Tensor:
    """Reshape the weight (C, C', 2, 2) of an upscaling by two to (C, 2 * 2 * C')."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _bias(layer: nn.ConvTranspose2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
