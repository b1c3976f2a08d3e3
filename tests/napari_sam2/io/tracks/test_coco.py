import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco
from random_tracks import CALIBRATION, SHAPE

from napari_sam2.io.tracks.coco import compressed_rle, write_coco
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

# of pycocotools' own arrays
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@given(
    arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 9)), elements=st.booleans()),
    st.integers(0, 90),
)
def test_pycocotools_decodes_what_is_encoded(pixels: np.ndarray, y: int) -> None:
    mask = SparseMask.from_window((140, 23), pixels, (y, 11))
    encoded = {"size": [140, 23], "counts": compressed_rle(mask).encode()}
    np.testing.assert_array_equal(coco.decode(encoded), mask.to_dense())
    assert (
        compressed_rle(mask) == coco.encode(np.asfortranarray(mask.to_dense()))["counts"].decode()
    )


def test_the_file_has_a_list_for_each_object(tmp_path: Path) -> None:
    masklets = Masklets(3, SHAPE)
    masklets.set(4, 0, SparseMask.from_window(SHAPE, np.ones((3, 5)), (2, 6)))
    masklets.set(9, 2, SparseMask.from_window(SHAPE, np.ones((1, 2)), (0, 0)))
    lineage = Lineage([Track(4, 0, 0), Track(9, 2, 2, 4)])
    write_coco(tmp_path / "x.json", Tracked(masklets, lineage, calibration=CALIBRATION))
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["videos"][0]["length"] == 3 and document["videos"][0]["width"] == 17
    mother, daughter = document["annotations"]
    assert mother["bboxes"] == [[6, 2, 5, 3], None, None] and mother["areas"][0] == 15
    assert daughter["parent"] == 4 and daughter["segmentations"][:2] == [None, None]
    decoded = coco.decode(mother["segmentations"][0])
    assert decoded.shape == SHAPE and decoded.sum() == 15
