import io
import pickle

import numpy as np
import pytest

from napari_sam2.masks import masks_on_disk
from napari_sam2.masks.masklets import Masklets
from sam2_torch.masks import SparseMask


class FullDisk(io.BytesIO):
    def write(self, packed):
        raise OSError(28, "No space left on device")


class DiskWithRoomForHalf(io.BytesIO):
    def write(self, packed):
        return super().write(packed[: len(packed) // 2])


def no_disk(**_):
    raise FileNotFoundError("no folder for temporary files")


@pytest.fixture(params=[None, FullDisk, DiskWithRoomForHalf, no_disk])
def masklets(request, monkeypatch):
    if request.param is not None:
        monkeypatch.setattr(masks_on_disk.tempfile, "TemporaryFile", lambda **_: request.param())
    return Masklets(7, (9, 12), on_disk=True)


def disc(n):
    dense = np.zeros((9, 12), bool)
    dense[1 : 1 + n, 2:6] = True
    return SparseMask.from_dense(dense)


def test_masks_come_back_as_they_were_put_in(masklets):
    for frame in (5, 0, 3):
        masklets.set(2, frame, disc(frame + 1))
        masklets.set(70000, frame, disc(2))
    masklets.set(2, 3, disc(6))
    masklets.remove(70000, 0)
    masklets.remove(70000, 1)
    assert masklets.frames(2) == (0, 3, 5)
    assert masklets.frames(70000) == (3, 5)
    assert [masklets.get(2, frame).area for frame in (0, 3, 5)] == [4, 24, 24]
    assert masklets.get(2, 1) is None and masklets.packed(70000, 0) is None
    for copy in (pickle.loads(pickle.dumps(masklets)), masklets.snapshot()):
        assert copy.frames(2) == (0, 3, 5) and copy.packed(2, 3) == masklets.packed(2, 3)
    masklets.remove(2)
    assert masklets.object_ids == (70000,)
