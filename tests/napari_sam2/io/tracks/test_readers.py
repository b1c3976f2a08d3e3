"""Tracks and masks that other programs wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_tracks import same_masks
from roifile import ROI_TYPE, ImagejRoi, roiwrite

from napari_sam2.io.tracks.formats import export, read_tracked
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

TRACKMATE = """<?xml version="1.0" encoding="UTF-8"?>
<TrackMate version="7.11.1">
  <Model spatialunits="micron" timeunits="sec">
    <AllSpots nspots="6">
      <SpotsInFrame frame="0">
        <Spot ID="11" name="ID11" VISIBILITY="1" RADIUS="1.5" FRAME="0" POSITION_T="0.0"
          POSITION_X="5.0" POSITION_Y="4.0" POSITION_Z="0.0" />
        <Spot ID="12" name="ID12" VISIBILITY="0" RADIUS="1.5" FRAME="0" POSITION_T="0.0"
          POSITION_X="9.0" POSITION_Y="4.0" POSITION_Z="0.0" />
      </SpotsInFrame>
      <SpotsInFrame frame="2">
        <Spot ID="13" name="ID13" VISIBILITY="1" RADIUS="1.5" FRAME="2" POSITION_T="60.0"
          POSITION_X="5.0" POSITION_Y="4.0" POSITION_Z="0.0" ROI_N_POINTS="4"
          >-0.9 -1.4 1.4 -1.4 1.4 1.4 -0.9 1.4</Spot>
        <Spot ID="14" name="ID14" VISIBILITY="1" RADIUS="1.0" FRAME="2" POSITION_T="60.0"
          POSITION_X="8.0" POSITION_Y="8.0" POSITION_Z="0.0" />
        <Spot ID="15" name="ID15" VISIBILITY="1" RADIUS="1.0" FRAME="2" POSITION_T="60.0"
          POSITION_X="2.0" POSITION_Y="8.0" POSITION_Z="0.0" />
      </SpotsInFrame>
    </AllSpots>
    <AllTracks>
      <Track name="Track_0" TRACK_ID="0">
        <Edge SPOT_SOURCE_ID="13" SPOT_TARGET_ID="11" />
        <Edge SPOT_SOURCE_ID="11" SPOT_TARGET_ID="14" />
        <Edge SPOT_SOURCE_ID="12" SPOT_TARGET_ID="15" />
      </Track>
    </AllTracks>
    <FilteredTracks><TrackID TRACK_ID="0" /></FilteredTracks>
  </Model>
  <Settings>
    <ImageData filename="" width="24" height="40" nslices="1" nframes="4" pixelwidth="0.5"
      pixelheight="0.25" timeinterval="30.0" />
  </Settings>
</TrackMate>
"""


def test_trackmate_spots_have_outlines_or_radii(tmp_path: Path) -> None:
    path = tmp_path / "tracks.xml"
    path.write_text(TRACKMATE)
    read = read_tracked(path)
    assert (read.n_frames, read.masklets.frame_shape) == (4, (40, 24))
    assert read.tracks[1] == Track(1, 0, 0)
    assert sorted(read.tracks.parents.values()) == [1, 1] and len(read.tracks) == 4
    assert read.calibration.pixel_size_yx == (0.25, 0.5)
    assert (read.calibration.time_interval, read.calibration.time_unit) == (30, "s")
    disc = read.masklets.get(1, 0)
    assert disc and disc.centroid_yx == pytest.approx((16, 10)) and 40 < disc.area < 65
    (outlined,) = (
        mask for _, mask in read.objects_in(2) if mask.centroid_yx[0] == pytest.approx(16)
    )
    # x from 4.1 to 6.4 um and y from 2.6 to 5.4 um: the centres of pixels 9 to 12, 11 to 21
    assert outlined.box == (11, 9, 22, 13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("TrackMate", "Other"), "expected a TrackMate file"),
        (('nslices="1"', 'nslices="5"'), "found 5 slices"),
        (('POSITION_X="5.0"', ""), "expected a TrackMate file"),
        (("</TrackMate>", ""), "expected a TrackMate file"),
        (('pixelwidth="0.5"', 'pixelwidth="0"'), "pixelwidth: expected a number, found '0'"),
        (('pixelwidth="0.5"', 'pixelwidth="nan"'), "pixelwidth: expected a number"),
        (('POSITION_X="5.0"', 'POSITION_X="inf"'), "POSITION_X: expected a number"),
        (('FRAME="2"', 'FRAME="-2"'), "FRAME: expected a number, found '-2'"),
        (('FRAME="2"', 'FRAME="1.5"'), "expected spots in frames 0, 1, 2"),
        (('FRAME="2"', 'FRAME="99999999999"'), "expected 1 to 10000000 frames"),
        (('nframes="4"', 'nframes="99999999999"'), r"tracks\.xml: expected 1 to 10000000 frames"),
        (('ID="14"', 'ID="13"'), "expected each node once, found 1 again"),
    ],
)
def test_what_is_no_trackmate_file_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "tracks.xml"
    path.write_text(TRACKMATE.replace(*change))
    with pytest.raises(ValueError, match=message):
        read_tracked(path)


def test_spots_outside_of_the_image_are_counted_and_wide_images_take_no_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tracks.xml"
    wide = TRACKMATE.replace('width="24"', 'width="1000000000"')
    path.write_text(wide.replace('POSITION_Y="8.0"', 'POSITION_Y="80.0"'))
    read = read_tracked(path)
    assert read.masklets.frame_shape == (40, 10**9)
    assert sum(mask.area > 0 for _, mask in read.objects_in(2)) == 1
    assert "tracks.xml: 2 of 4 spots have no pixel in the image" in caplog.text


def coco_of_images(**changes: Any) -> dict[str, Any]:
    """Two images; an object in both, outlined once and once in runs, and another one."""
    runs = {"size": [20, 30], "counts": [45, 3, 17, 3, 532]}
    square = [[3, 2, 9, 2, 9, 6, 3, 6]]
    return {
        "images": [
            {"id": 7, "height": 20, "width": 30, "file_name": "b.png"},
            {"id": 4, "height": 20, "width": 30, "file_name": "a.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 1, "segmentation": square, "track_id": 3},
            {"id": 2, "image_id": 7, "category_id": 1, "segmentation": runs, "track_id": 3},
            {"id": 9, "image_id": 7, "category_id": 1, "segmentation": square},
        ],
    } | changes


def test_coco_of_images_is_a_movie(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(coco_of_images()))
    read = read_tracked(path)
    assert read.masklets.object_ids == (3, 9) and read.masklets.frames(3) == (0, 1)
    outlined, runs = read.masklets.get(3, 0), read.masklets.get(3, 1)
    assert outlined and outlined.area == 24 and outlined.box == (2, 3, 6, 9)
    assert runs and runs.area == 6 and runs.box == (5, 2, 8, 4)
    for wrong in ({"annotations": [{}]}, {"images": []}):
        path.write_text(json.dumps(coco_of_images(**wrong)))
        with pytest.raises(ValueError, match="expected a COCO file"):
            read_tracked(path)


RUNS, SQUARE = {"size": [20, 30], "counts": [45, 3, 552]}, [[3, 2, 9, 2, 9, 6, 3, 6]]


def read_image(tmp_path: Path, *annotations: dict[str, Any], side: int = 0) -> Tracked:
    """Read a COCO file of one image of 20 x 30, or of another side."""
    image = {"id": 1, "height": side or 20, "width": side or 30}
    about = [{"id": 1, "image_id": 1} | annotation for annotation in annotations]
    (tmp_path / "x.json").write_text(json.dumps({"images": [image], "annotations": about}))
    return read_tracked(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({**RUNS, "size": [10**6, 10**6]}, "another size than their image, 20 x 30"),
        ({**RUNS, "counts": [45]}, "another size than their image"),
        ({**RUNS, "counts": "PPPPPPPPPPPPPPPPPPPPPPPPP"}, "another size than their image"),
        ({**RUNS, "counts": "\0\1"}, "another size than their image"),
        ({**RUNS, "counts": [-45, 645]}, "a negative run length"),
        ({**RUNS, "counts": 600}, "expected a COCO file"),
        ([[3, 2, 9, float("nan"), 9, 6]], "outline: expected numbers"),
        ("text", "expected a COCO file"),
    ],
)
def test_masks_of_coco_that_do_not_fit_are_refused(
    tmp_path: Path, segmentation: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path, {"segmentation": segmentation})


def test_masks_of_coco_do_not_take_the_memory_of_their_image(tmp_path: Path) -> None:
    far = [[3, 2, 1e12, 2, 1e12, 6, 3, 6]]
    assert read_image(tmp_path, {"segmentation": far}).masklets.get(1, 0).area == 4 * 27
    large = read_image(tmp_path, {"segmentation": SQUARE}, side=10**9)
    assert large.masklets.get(1, 0).box == (2, 3, 6, 9)
    with pytest.raises(ValueError, match="at most 2147483648 pixels, found"):
        read_image(tmp_path, {"segmentation": far}, side=10**9)
    assert not read_image(tmp_path, {"segmentation": [[1, 1, 5, 5]]}).masklets.get(1, 0)


def test_annotations_of_one_track_keep_all_parts_and_its_name(tmp_path: Path) -> None:
    two = {"id": 7, "track_id": 2, "name": "cell", "segmentation": SQUARE}
    read = read_image(
        tmp_path,
        two,
        {"id": 2, "track_id": 7, "segmentation": RUNS},
        {**two, **{"id": 8, "segmentation": [[20, 2, 22, 2, 22, 4, 20, 4]]}},
    )
    assert read.names == {2: "cell"} and read.masklets.get(2, 0).area == 24 + 4


@pytest.mark.parametrize("object_id", [0, -3, 2**32, 10**30])
def test_ids_of_coco_that_no_label_image_holds_are_refused(tmp_path: Path, object_id: int) -> None:
    with pytest.raises(ValueError, match=r"object id: expected 1\.\.4294967295"):
        read_image(tmp_path, {"id": object_id, "segmentation": SQUARE})


def test_of_several_coco_videos_the_first_is_read_and_ids_are_unique(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "video.json"
    video = {"height": 20, "width": 30, "length": 2}
    one = {"id": 1, "video_id": 5, "segmentations": [RUNS, None]}
    other = {"id": 2, "video_id": 6, "segmentations": [RUNS]}
    document = {"videos": [{"id": 5, **video}, {"id": 6, **video}], "annotations": [one, other]}
    path.write_text(json.dumps(document))
    assert read_tracked(path).masklets.object_ids == (1,)
    assert "video.json: the first video is read, without 1 objects of others" in caplog.text
    path.write_text(json.dumps({**document, "annotations": [one, one]}))
    with pytest.raises(ValueError, match="two annotations 1"):
        read_tracked(path)
    path.write_text(json.dumps({**document, "videos": [{"id": 5, **video, "length": 10**11}]}))
    with pytest.raises(ValueError, match=r"video\.json: expected 1 to 10000000 frames"):
        read_tracked(path)


def test_rois_are_read_with_their_frames(tmp_path: Path) -> None:
    corners = np.array([(4, 3), (10, 3), (10, 9), (4, 9)])
    rois = [
        ImagejRoi.frompoints(corners, name="0001-0006-0007", position=2),
        ImagejRoi.frompoints(corners + 8, t=1, name="a cell"),
        ImagejRoi(roitype=ROI_TYPE.RECT, left=1, top=2, right=4, bottom=8, name="box"),
        ImagejRoi.frompoints(corners + 2, name="line"),
    ]
    rois[3].roitype = ROI_TYPE.POLYLINE
    path = tmp_path / "RoiSet.zip"
    roiwrite(path, rois)
    read = read_tracked(path)
    assert (read.n_frames, read.masklets.frame_shape) == (3, (17, 18))
    found = {i: read.masklets.frames(i) for i in read.masklets.object_ids}
    assert found == {1: (2,), 2: (1,), 3: (0,)}
    boxes = [mask.box for mask in (read.masklets.get(1, 2), read.masklets.get(3, 0)) if mask]
    assert boxes == [(3, 4, 9, 10), (2, 1, 8, 4)]
    within = read_tracked(path, size=(9, (40, 56)))
    assert (within.n_frames, within.masklets.frame_shape) == (9, (40, 56))
    with pytest.raises(ValueError, match="expected ROIs within 2 frames"):
        read_tracked(path, size=(2, (40, 56)))
    far = ImagejRoi.frompoints(np.array([(4, 3), (10**9, 3), (10, 9)]))
    roiwrite(tmp_path / "far.roi", far)
    with pytest.raises(ValueError, match=r"far\.roi: outline: expected numbers and at most"):
        read_tracked(tmp_path / "far.roi")
    roiwrite(tmp_path / "line.roi", rois[3])
    with pytest.raises(ValueError, match="expected ROIs with an area, found 1 others"):
        read_tracked(tmp_path / "line.roi")


def test_own_rois_come_back_with_the_size_of_the_movie(tmp_path: Path) -> None:
    masklets = Masklets(5, (40, 56))
    parts = np.zeros((6, 9), bool)
    parts[:, :3] = parts[2:, 5:] = True
    for object_id, frame in ((2, 0), (2, 3), (7, 3)):
        masklets.set(object_id, frame, SparseMask.from_window((40, 56), parts, (frame, object_id)))
    export(tmp_path / "rois.zip", Tracked(masklets))
    read = read_tracked(tmp_path / "rois.zip")
    assert read.n_frames == 5
    assert same_masks(read.masklets, masklets)
