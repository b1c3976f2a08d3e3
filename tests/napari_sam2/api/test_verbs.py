"""The verbs of `import napari_sam2`, on cut-outs of real and synthetic images."""

import io

import numpy as np
import pandas as pd
import pytest
import skimage.data
import tifffile
from PIL import Image
from tests.tiny_network import TINY

import napari_sam2 as ns
from napari_sam2 import sample_data
from sam2_torch import SAM2, EverythingOptions, PointPrompt, SeedGrid, load_sam2
from sam2_torch.automatic import TrackOptions

CALIBRATION = ns.Calibration((0.5, 0.25), "um", time_interval=60, time_unit="s")


@pytest.fixture(scope="module")
def tiny():
    """A network that computes in milliseconds; its masks mean nothing."""
    return SAM2(TINY).eval()


@pytest.fixture(scope="module")
def nuclei():
    """Three frames of a movie, (3, 96, 128) uint16, and labels of what is in each of them."""
    pixels, labels = (array[:3, :96, :128] for array in sample_data.dividing_nuclei_with_truth())
    always = [label for label in np.unique(labels) if all(label in frame for frame in labels)]
    return pixels, np.where(np.isin(labels, always), labels, 0)


def test_a_real_cell_is_segmented_from_a_table_of_clicks():
    cell = skimage.data.cell()  # (660, 550) uint8
    model = load_sam2("cells_nano", device="cpu")
    clicks = pd.DataFrame({"object": [7], "frame": [0], "y": [300], "x": [250]})
    found = ns.segment(cell, clicks, model=model)
    (row,) = ns.measure(found).itertuples()
    assert row.object == 7
    assert found.labels(0)[300, 250] == 7
    assert 0.005 < row.area_px2 / cell.size < 0.5  # the cell, not a speck or the whole image
    assert found.to_array().shape == cell.shape


def test_tracks_are_measured_in_the_units_of_the_movie_and_exported(nuclei, tmp_path, tiny):
    pixels, labels = nuclei
    tifffile.imwrite(tmp_path / "movie.tif", pixels, metadata={"axes": "TYX"}, imagej=True)
    movie = ns.read(tmp_path / "movie.tif", calibration=CALIBRATION)
    assert movie.frame_shape == (96, 128)
    tracks = ns.track(movie, labels, model=tiny)  # all frames are given: they are kept
    np.testing.assert_array_equal(tracks.to_array(), labels)
    table = ns.measure(tracks)
    first = table[table["frame"] == 0].set_index("object")
    for label in np.unique(labels[0])[1:]:
        assert first.area_um2[label] == pytest.approx(np.sum(labels[0] == label) * 0.125)
    assert len(ns.measure(tracks, per="track")) == len(np.unique(labels)) - 1
    ns.export(tracks, tmp_path / "cells.ctc")
    ns.export(tracks, tmp_path / "cells.ctc")  # its own output is replaced
    again = ns.measure(tmp_path / "cells.ctc", movie)
    np.testing.assert_allclose(again.area_um2, table.area_um2)


def test_an_export_replaces_no_file_of_another_program(nuclei, tmp_path, tiny):
    tracks = ns.track(nuclei[0], nuclei[1], model=tiny)
    (tmp_path / "mine.tif").write_bytes(b"II*\0 something of mine")
    with pytest.raises(FileExistsError):
        ns.export(tracks, tmp_path / "mine.tif")
    ns.export(tracks, tmp_path / "mine.tif", overwrite=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "mine.tif"), nuclei[1])


def test_everything_of_a_movie_is_segmented_and_tracked(nuclei, tiny):
    # a network without training: only what comes back, and where, is looked at
    everything = EverythingOptions(SeedGrid(2, 0), min_score=0.0)
    found = ns.segment(nuclei[0], model=tiny, options=everything, frames=(1, 3))
    tracked = ns.track_all(nuclei[0], model=tiny, options=TrackOptions(everything, "first"))
    assert found.label_shape == tracked.label_shape == (3, 96, 128)
    assert not found.labels(0).any()


def test_labels_of_single_frames_are_linked(nuclei, tiny):
    pixels, labels = nuclei
    shuffled = np.where(labels, labels + 50 * np.arange(3)[:, None, None], 0)
    linked = ns.link(shuffled, pixels, model=tiny)
    np.testing.assert_array_equal(linked.to_array() > 0, labels > 0)
    assert linked.movie is not None


def test_prompts_are_objects_too_and_misfits_are_named(nuclei, tiny):
    pixels, labels = nuclei
    click = ns.ObjectPrompts(3, 1, (PointPrompt([(40, 100)], [1]),))
    assert ns.track(pixels, [click], model=tiny).masklets.object_ids == (3,)
    with pytest.raises(ValueError, match="column x: expected a pixel of the image"):
        ns.track(pixels, pd.DataFrame({"object": [1], "frame": 0, "y": 5, "x": 500}), model=tiny)
    with pytest.raises(ValueError, match="without frame"):
        ns.track(pixels, pd.DataFrame({"object": [1], "y": 5, "x": 5}), model=tiny)
    with pytest.raises(ValueError, match="expected masks for the movie's 3 frames"):
        ns.link(labels[:2], pixels, model=tiny)


def test_notebooks_show_a_picture(nuclei, tiny):
    tracks = ns.track(nuclei[0], nuclei[1], model=tiny)
    with Image.open(io.BytesIO(tracks._repr_png_())) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 3 * 400  # three frames beside each other
    assert tracks.picture(2).size == (1024, 768)
