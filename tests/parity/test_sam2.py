"""The arrows of the figure against Meta's: one mask for each object, its pointer, its memories."""

from typing import Any

import pytest
import torch
from reference import SCORE_BIAS, SMALL, SMALL_2_0, changed, pair, random_tensor, relative_error
from torch import Tensor

from sam2_torch import SAM2, SAM2Config
from sam2_torch.memory.selection import Direction, select_memories
from sam2_torch.sam2 import (
    MAX_POINTERS,
    NO_OBJECT_LOGIT,
    ImageEmbedding,
    Memories,
    Segmentation,
)

pytest.importorskip("sam2")

WIDTH, SIDE, OBJECTS = SMALL.d_model, SMALL.embedding_size, 3
FEATURES = random_tensor(OBJECTS, WIDTH, SIDE, SIDE)
SKIPS = (
    random_tensor(1, WIDTH // 8, 4 * SIDE, 4 * SIDE, seed=1),
    random_tensor(1, WIDTH // 4, 2 * SIDE, 2 * SIDE, seed=2),
)


def points(count: int) -> tuple[Tensor, Tensor]:
    places = 256 * random_tensor(OBJECTS, count, 2, seed=3).sigmoid()
    return places, torch.arange(OBJECTS * count).reshape(OBJECTS, count) % 2


def as_reference(said: tuple[Tensor, Tensor] | None) -> dict[str, Tensor] | None:
    return said and {"point_coords": said[0], "point_labels": said[1]}


def assert_same(found: Segmentation, expected: tuple[Tensor, ...]) -> None:
    """Compare with the seven things that `_forward_sam_heads` returns."""
    _, _, ious, logits, _, pointers, scores = expected
    assert relative_error(found.ious, ious.max(dim=1).values) < 1e-5
    assert relative_error(found.pointers, pointers) < 1e-5
    assert relative_error(found.object_scores, scores[:, 0]) < 1e-5
    absent = logits[:, 0] == NO_OBJECT_LOGIT
    assert torch.equal(found.logits == NO_OBJECT_LOGIT, absent)
    if not absent.all():
        assert relative_error(found.logits[~absent], logits[:, 0][~absent]) < 1e-5


def median_score(network: SAM2, said: tuple[Tensor, Tensor] | None) -> float:
    return float(network.segment(FEATURES, SKIPS, said).object_scores.median())


@pytest.mark.parametrize("shift", [100.0, -100.0, None], ids=["there", "absent", "mixed"])
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_masks_and_pointers_of_objects_that_are_there_or_not(
    shift: float | None, multimask: bool, count: int
) -> None:
    reference, ours = pair(SMALL)
    said = points(count) if count else None
    mask = 4 * random_tensor(OBJECTS, 1, 64, 64, seed=4) if count == 3 else None
    offset = shift if shift is not None else 1e-3 - median_score(ours, said)
    with changed((reference, ours), SCORE_BIAS, lambda bias: bias + offset):
        found = ours.segment(FEATURES, SKIPS, said, mask, multimask)
        high_resolution = [skip.expand(OBJECTS, -1, -1, -1) for skip in SKIPS]
        expected = reference._forward_sam_heads(
            FEATURES, as_reference(said), mask, high_resolution, multimask
        )
    visible = (found.object_scores > 0).sum()
    assert visible == OBJECTS if shift == 100.0 else visible == 0 if shift else 0 < visible
    assert_same(found, expected)


@pytest.mark.parametrize("shift", [100.0, -100.0], ids=["there", "absent"])
def test_mask_prompts_one_of_them_empty(shift: float) -> None:
    reference, ours = pair(SMALL)
    mask = (random_tensor(OBJECTS, 1, 256, 256, seed=5) > 1).float()
    mask[1] = 0
    embedding = ImageEmbedding(FEATURES[:1], SKIPS)
    with changed((reference, ours), SCORE_BIAS, lambda bias: bias + shift):
        found = ours.segment_from_mask(embedding, mask)
        high_resolution = [skip.expand(OBJECTS, -1, -1, -1) for skip in SKIPS]
        expected = reference._use_mask_as_output(
            FEATURES[:1].expand(OBJECTS, -1, -1, -1), high_resolution, mask
        )
    assert found.object_scores.tolist() == [10, -10, 10]
    assert_same(found, expected)


def test_object_pointer_projection() -> None:
    reference, ours = pair(SMALL)
    tokens = random_tensor(4, WIDTH)
    assert relative_error(ours.obj_ptr_proj(tokens), reference.obj_ptr_proj(tokens)) < 1e-5


def remembered(network: Any, frame: int, objects: int) -> dict[str, Any]:
    """Make what the reference keeps of one frame."""
    memory = random_tensor(objects, SMALL.memory_dim, SIDE, SIDE, seed=100 + frame)
    return {
        "maskmem_features": memory,
        "maskmem_pos_enc": [network.memory_encoder.position_encoding(memory)],
        "obj_ptr": random_tensor(objects, WIDTH, seed=200 + frame),
    }


def as_seen(features: Tensor, objects: int) -> list[Tensor]:
    """Lay (1, C, H, W) features of one frame out as the reference does, (HW, objects, C)."""
    return [features.expand(objects, -1, -1, -1).flatten(2).permute(2, 0, 1)]


@pytest.mark.parametrize("config", [SMALL, SMALL_2_0], ids=["2.1", "2.0"])
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("objects", [1, 2])
def test_memories_with_their_encodings(config: SAM2Config, way: Direction, objects: int) -> None:
    reference, ours = pair(config)
    frame, n_frames, prompted, tracked = 20, 40, [3, 22], [*range(4, 17), *range(24, 40)]
    known = {f: remembered(reference, f, objects) for f in prompted + tracked}
    seen: dict[str, Any] = {}
    handle = reference.memory_attention.register_forward_pre_hook(
        lambda _, __, kwargs: seen.update(kwargs), with_kwargs=True
    )
    position = reference.image_encoder.neck.position_encoding(FEATURES[:1])
    expected = reference._prepare_memory_conditioned_features(
        frame_idx=frame,
        is_init_cond_frame=False,
        current_vision_feats=as_seen(FEATURES[:1], objects),
        current_vision_pos_embeds=as_seen(position, objects),
        feat_sizes=[(SIDE, SIDE)],
        output_dict={
            "cond_frame_outputs": {f: known[f] for f in prompted},
            "non_cond_frame_outputs": {f: known[f] for f in tracked},
        },
        num_frames=n_frames,
        track_in_reverse=way == "backward",
    )
    handle.remove()
    selection = select_memories(frame, way, n_frames, prompted, {*prompted, *tracked})
    memories = Memories(
        [known[f]["maskmem_features"] for f, _ in selection.spatial],
        [age for _, age in selection.spatial],
        torch.stack([known[f]["obj_ptr"] for f, _ in selection.pointers], dim=1),
        [age for _, age in selection.pointers],
        MAX_POINTERS - 1,
    )
    tokens, positions, pointer_tokens = ours._memory_tokens(memories)
    assert pointer_tokens == seen["num_obj_ptr_tokens"]
    assert torch.equal(tokens, seen["memory"].transpose(0, 1))
    wanted = seen["memory_pos"].transpose(0, 1)
    assert relative_error(positions.expand_as(wanted), wanted) < 1e-5
    assert relative_error(ours.attend_to_memory(FEATURES[:1], memories), expected) < 1e-5
