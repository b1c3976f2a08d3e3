"""Convert tensors between Meta's names and those of `transformers`' Sam2VideoModel.

Those of its EdgeTamVideoModel are converted to Meta's, too.

Notes
-----
`facebook/sam2.1-hiera-tiny` and the other repositories contain a `model.safetensors` in that
layout. The networks are the same. Two tensors differ: Meta has four point embeddings, which
`transformers` stacks, and `transformers` stores the frequencies of the position encoding twice.
"""

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

_POINTS = "sam_prompt_encoder.point_embeddings.{}.weight"
_STACKED_POINTS = "prompt_encoder.point_embed.weight"
_FREQUENCIES = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_BOTH_FREQUENCIES = (
    "prompt_encoder.shared_embedding.positional_embedding",
    "shared_image_embedding.positional_embedding",
)

_KEYS = ".to_k.weight"  # of EdgeTAM, where Meta stacks keys and values
_MASK_LAYERS = {0: "conv1", 1: "layer_norm1", 3: "conv2", 4: "layer_norm2", 6: "conv3"}


# Pairs of (Meta's, transformers') names without ".weight" and ".bias"; * stands for one part of
# a name and ** for any number of them, in the same order on both sides. The first match counts.
def _pairs() -> Iterator[tuple[str, str]]:
    yield from (
        ("no_mem_embed", "no_memory_embedding"),
        ("no_mem_pos_enc", "no_memory_positional_encoding"),
        ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
        ("no_obj_ptr", "no_object_pointer"),
        ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
        ("obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"),
        ("mask_downsample", "mask_downsample"),
    )
    yield from _perceptron("obj_ptr_proj", "object_pointer_proj", 3)

    hiera, backbone = "image_encoder.trunk", "vision_encoder.backbone"
    yield f"{hiera}.patch_embed.proj", f"{backbone}.patch_embed.projection"
    yield from _perceptron(f"{hiera}.blocks.*.mlp", f"{backbone}.blocks.*.mlp", 2)
    for i in (1, 2):
        yield f"{hiera}.blocks.*.norm{i}", f"{backbone}.blocks.*.layer_norm{i}"
    yield f"{hiera}.**", f"{backbone}.**"
    yield "image_encoder.neck.convs.*.conv", "vision_encoder.neck.convs.*"

    downscaling, mask_embed = "sam_prompt_encoder.mask_downscaling", "prompt_encoder.mask_embed"
    for i, name in _MASK_LAYERS.items():
        yield f"{downscaling}.{i}", f"{mask_embed}.{name}"
    yield "sam_prompt_encoder.**", "prompt_encoder.**"

    yield from _decoder_pairs("sam_mask_decoder", "mask_decoder")

    yield "memory_attention.layers.*.*.out_proj", "memory_attention.layers.*.*.o_proj"
    for i in (1, 2, 3):
        yield f"memory_attention.layers.*.norm{i}", f"memory_attention.layers.*.layer_norm{i}"
    yield "memory_attention.norm", "memory_attention.layer_norm"
    yield "memory_attention.**", "memory_attention.**"

    yield from _memory_encoder_pairs("memory_encoder.mask_downsampler", "memory_encoder.fuser")


def _edgetam_pairs() -> Iterator[tuple[str, str]]:
    """Pair the names that EdgeTAM has and SAM 2 has not, or has otherwise."""
    yield "image_encoder.trunk.body.**", "vision_encoder.backbone.timm_model.**"
    attention = "memory_attention.layers.*"
    yield f"{attention}.linear1", f"{attention}.mlp.up_proj"
    yield f"{attention}.linear2", f"{attention}.mlp.down_proj"
    perceiver, layer = "spatial_perceiver", "spatial_perceiver.layers.*"
    yield f"{perceiver}.latents", f"{perceiver}.latents_1d"
    yield f"{perceiver}.norm", f"{perceiver}.layer_norm"
    yield f"{layer}.attn.norm_x", f"{layer}.layer_norm_input"
    yield f"{layer}.attn.norm_latents", f"{layer}.layer_norm_latents"
    yield f"{layer}.self_attn.norm", f"{layer}.layer_norm_self"
    for ours, theirs in (("attn", "cross_attention"), ("self_attn", "self_attention")):
        for part, their_part in zip(("q", "k", "v", "out"), ("q", "k", "v", "o"), strict=True):
            yield f"{layer}.{ours}.to_{part}", f"{layer}.{theirs}.{their_part}_proj"
    for ours, theirs in (("ff", "mlp"), ("self_ff", "self_mlp")):
        for i, name in {0: "layer_norm", 1: "up_proj", 3: "down_proj"}.items():
            yield f"{layer}.{ours}.{i}", f"{layer}.{theirs}.{name}"


def _perceptron(meta: str, other: str, count: int) -> Iterator[tuple[str, str]]:
    """Pair the names of a perceptron's layers: Meta counts all, `transformers` the inner ones."""
    yield f"{meta}.layers.0", f"{other}.proj_in"
    for i in range(1, count - 1):
        yield f"{meta}.layers.{i}", f"{other}.layers.{i - 1}"
    yield f"{meta}.layers.{count - 1}", f"{other}.proj_out"


def _decoder_pairs(meta: str, other: str) -> Iterator[tuple[str, str]]:
    transformer, layers = f"{meta}.transformer", f"{meta}.transformer.layers.*"
    their_transformer, their_layers = f"{other}.transformer", f"{other}.transformer.layers.*"
    yield f"{transformer}.norm_final_attn", f"{their_transformer}.layer_norm_final_attn"
    yield f"{layers}.*.out_proj", f"{their_layers}.*.o_proj"
    yield f"{transformer}.*.out_proj", f"{their_transformer}.*.o_proj"
    for i in (1, 2, 3, 4):
        yield f"{layers}.norm{i}", f"{their_layers}.layer_norm{i}"
    yield from _perceptron(f"{layers}.mlp", f"{their_layers}.mlp", 2)
    for head in ("iou_prediction_head", "pred_obj_score_head", "output_hypernetworks_mlps.*"):
        yield from _perceptron(f"{meta}.{head}", f"{other}.{head}", 3)
    yield f"{meta}.output_upscaling.0", f"{other}.upscale_conv1"
    yield f"{meta}.output_upscaling.1", f"{other}.upscale_layer_norm"
    yield f"{meta}.output_upscaling.3", f"{other}.upscale_conv2"
    yield f"{meta}.**", f"{other}.**"


def _memory_encoder_pairs(downsampler: str, fuser: str) -> Iterator[tuple[str, str]]:
    for i in range(4):
        yield f"{downsampler}.encoder.{3 * i}", f"{downsampler}.layers.{i}.conv"
        yield f"{downsampler}.encoder.{3 * i + 1}", f"{downsampler}.layers.{i}.layer_norm"
    yield f"{downsampler}.encoder.12", f"{downsampler}.final_conv"
    block, their_block = f"{fuser}.layers.*", "memory_encoder.memory_fuser.layers.*"
    yield f"{block}.gamma", f"{their_block}.scale"
    yield f"{block}.dwconv", f"{their_block}.depthwise_conv"
    yield f"{block}.norm", f"{their_block}.layer_norm"
    for i in (1, 2):
        yield f"{block}.pwconv{i}", f"{their_block}.pointwise_conv{i}"
    yield "memory_encoder.pix_feat_proj", "memory_encoder.feature_projection"
    yield "memory_encoder.out_proj", "memory_encoder.projection"


def _compile(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", r"([^.]+)")
    return re.compile(escaped)


def _fill_in(pattern: str) -> str:
    """Convert a pattern to the template of a match's groups."""
    parts = re.split(r"\*+", pattern)
    return "".join(f"{part}\\{i}" for i, part in enumerate(parts[:-1], 1)) + parts[-1]


_PAIRS = tuple(_pairs())
_TO_META = tuple(
    (_compile(theirs), _fill_in(ours)) for ours, theirs in (*_edgetam_pairs(), *_PAIRS)
)
_TO_TRANSFORMERS = tuple((_compile(ours), _fill_in(theirs)) for ours, theirs in _PAIRS)


def _rename(name: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    """Rename one tensor; a name that no rule knows stays, and is later reported as a difference."""
    stem, dot, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):
        stem, dot, kind = name, "", ""
    for pattern, template in rules:
        match = pattern.fullmatch(stem)
        if match:
            return match.expand(template) + dot + kind
    return name


def is_transformers(state: Mapping[str, Tensor]) -> bool:
    """Return whether tensors have the names of `transformers`."""
    return any(name.startswith("vision_encoder.") for name in state)


def to_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensors of a Sam2VideoModel or EdgeTamVideoModel to Meta's names and layout.

    Raises
    ------
    ValueError
        If points and image have different position encodings, as in no SAM 2.
    """
    rest = dict(state)
    frequencies = [rest.pop(name) for name in _BOTH_FREQUENCIES if name in rest]
    points = rest.pop(_STACKED_POINTS, torch.empty(0, 0))
    found = {_rename(name, _TO_META): tensor for name, tensor in rest.items()}
    if len(frequencies) == 2 and not torch.equal(*frequencies):
        raise ValueError(
            f"expected {' and '.join(_BOTH_FREQUENCIES)} to be equal, found two different ones"
        )
    if frequencies:
        found[_FREQUENCIES] = frequencies[0]
    found.update({_POINTS.format(i): row[None] for i, row in enumerate(points)})
    for keys in [name for name in found if name.endswith(_KEYS)]:
        stem = keys.removesuffix(_KEYS)
        both = found.pop(keys), found.pop(f"{stem}.to_v.weight")
        found[f"{stem}.to_kv.weight"] = torch.cat(both)
    return found


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensors of a `SAM2` to the names and layout of a Sam2VideoModel."""
    rest = dict(state)
    frequencies = rest.pop(_FREQUENCIES)
    points = torch.cat([rest.pop(_POINTS.format(i)) for i in range(4)])
    found = {_rename(name, _TO_TRANSFORMERS): tensor for name, tensor in rest.items()}
    # clones: safetensors refuses tensors that share memory
    found.update({name: frequencies.clone() for name in _BOTH_FREQUENCIES})
    return {**found, _STACKED_POINTS: points}
