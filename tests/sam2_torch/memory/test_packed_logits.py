import pytest
import torch
import torch.nn.functional as F
from device_stand_ins import NothingWaits

from sam2_torch import CELLS_NANO
from sam2_torch.inputs.transforms import InputGeometry, logits_to_masks
from sam2_torch.memory.packed_logits import VISIBLE_LOGIT, PackedLogits, pack_on_device
from sam2_torch.runtime.host_copies import Copies


def pack_all(logits):
    return PackedLogits.fetch(logits, Copies(logits.device)).result()


def test_the_object_and_the_mean_of_the_rest_are_kept():
    logits = torch.randn(32, 32) - 15
    logits[4:9, 20:30] = torch.randn(5, 10) * 4
    packed = PackedLogits.pack(logits)
    assert packed.window.size < 120
    back = packed.unpack()
    torch.testing.assert_close(back[4:9, 20:30], logits[4:9, 20:30], atol=0.01, rtol=1e-3)
    assert ((back > 0) == (logits > 0)).all()
    absent = torch.full((32, 32), -1024.0)
    torch.testing.assert_close(PackedLogits.pack(absent).unpack(), absent)
    assert PackedLogits.pack(absent).box is None


def test_logits_of_many_objects_are_packed_together():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    centres = [(5, 7, 6), (39, 59, 9), (20, 30, 100), (500, 500, 3)]  # corners, all of it, nowhere
    logits = torch.stack(
        [4 * (r - ((y - cy) ** 2 + (x - cx) ** 2).sqrt()).clamp(-15, 15) for cy, cx, r in centres]
    )
    packed = pack_all(logits)
    for one, expected in zip(packed, logits, strict=True):
        found = one.unpack()
        seen = F.max_pool2d((expected > VISIBLE_LOGIT).float()[None], 3, stride=1, padding=1)[0] > 0
        torch.testing.assert_close(found[seen], expected[seen], rtol=1e-3, atol=0)
        assert (found[~seen] < VISIBLE_LOGIT).all()
    assert packed[0].window.size < 16 * 16
    assert packed[2].window.shape == (40, 60)
    assert packed[3].window.size == 0


def test_one_object_on_the_host_is_packed_as_many_on_a_device():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    for cy, cx, r in ((5, 7, 6), (39, 59, 9), (20, 30, 100), (500, 500, 3)):
        logits = 4 * (r - ((y - cy) ** 2 + (x - cx) ** 2).sqrt()).clamp(-15, 15)
        here, (there,) = PackedLogits.pack(logits), pack_all(logits[None])
        assert here.window.shape == there.window.shape and (here.window == there.window).all()
        assert here.origin == there.origin or here.window.size == 0
        assert here.background == pytest.approx(there.background, rel=1e-4)
        inside = (logits > 0).nonzero()
        expected = None
        if len(inside):
            expected = (*inside.min(0).values.tolist(), *(inside.max(0).values + 1).tolist())
        assert here.box == there.box == expected


def test_masks_of_packed_logits_are_those_of_the_logits():
    generator = torch.Generator().manual_seed(1)
    logits = F.interpolate(30 * torch.randn(1, 5, 9, 9, generator=generator) - 15, (64, 64))[0]
    geometry = InputGeometry.fit((200, 330), CELLS_NANO)
    exact = logits_to_masks(logits, geometry)
    found = logits_to_masks(torch.stack([p.unpack() for p in pack_all(logits)]), geometry)
    for one, other in zip(exact, found, strict=True):
        assert (one.to_dense() != other.to_dense()).sum() <= 2  # of 66000: half precision


def test_the_device_is_not_waited_for():
    with NothingWaits():
        boxes, values = pack_on_device(torch.empty(3, 40, 60, device="meta"))
    assert boxes.shape == (3, 5) and values.shape == (3 * 40 * 60 + 1,)
