from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from napari.components import ViewerModel

import napari_sam2
from napari_sam2.io.images.napari_reader import get_reader
from napari_sam2.io.images.videos import VIDEOS


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "cells.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        for number in range(6):
            pixels = np.full((48, 80, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_video_is_an_image_layer_that_is_read_when_looked_at(video):
    (layer,) = get_reader(str(video))(str(video))
    data, settings, kind = layer
    assert (data.shape, data.chunks[0]) == ((6, 48, 80, 3), (1,) * 6)
    image = ViewerModel().add_image(data, **settings)
    assert (kind, image.name, image.rgb, image.axis_labels) == (
        "image",
        "cells",
        True,
        ("t", "y", "x"),
    )
    frame = np.asarray(data[4])
    assert abs(int(frame.mean()) - 160) < 6


def test_all_else_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path)) is None
    assert get_reader("movie.tif") is None
    assert get_reader(["a.mp4", "b.tif"]) is None
    assert get_reader([]) is None


def test_the_manifest_lists_the_videos():
    manifest = Path(napari_sam2.__file__).parent / "napari.yaml"
    readers = yaml.safe_load(manifest.read_text(encoding="utf-8"))["contributions"]["readers"]
    assert {f"*{kind}" for kind in VIDEOS} <= {p for r in readers for p in r["filename_patterns"]}


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"a\.avi: expected a video"):
        get_reader(str(tmp_path / "a.avi"))(str(tmp_path / "a.avi"))
