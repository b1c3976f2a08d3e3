import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.io.read import read_labels, read_movie, read_prompts
from napari_sam2.io.tracks.formats import export
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.tracked_movie import Tracked

CALIBRATION = Calibration((0.5, 0.25), "um", time_interval=10.0)


def tracked(masklets, axes):
    return Tracked(masklets, axes=axes, calibration=CALIBRATION)


def masklets_of(n_frames, object_id=7):
    masklets = Masklets(n_frames, (40, 60))
    for frame in range(n_frames):
        mask = np.zeros((40, 60), bool)
        mask[5:15, 10 + frame : 20 + frame] = True
        masklets.paint(object_id, frame, mask)
    return masklets


@pytest.mark.parametrize("name", ["labels.tif", "labels.TIFF", "labels.ome.tif"])
def test_labels_go_out_and_in(tmp_path, name):
    masklets = masklets_of(4)
    export(tmp_path / name, tracked(masklets, "ZYX"))
    labels = read_movie(tmp_path / name)
    assert labels.layout.label_axes == "ZYX"
    assert labels.dtype == np.uint16
    for frame in range(4):
        np.testing.assert_array_equal(labels[frame], masklets.labels(frame))


def test_one_image_stays_one_image(tmp_path):
    export(tmp_path / "labels.tif", tracked(masklets_of(1), "YX"))
    assert tifffile.imread(tmp_path / "labels.tif").shape == (40, 60)


def test_large_ids_are_kept(tmp_path):
    export(
        tmp_path / "labels.tif", Tracked(masklets_of(2, 70000), axes="TYX", calibration=CALIBRATION)
    )
    assert read_movie(tmp_path / "labels.tif")[1].max() == 70000


def test_an_unknown_output_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.xyz: expected an output that ends in \.tif"):
        export(
            tmp_path / "labels.xyz", Tracked(masklets_of(2), axes="TYX", calibration=CALIBRATION)
        )


def test_inputs_that_cannot_be_read_are_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="found nothing"):
        read_movie(tmp_path / "movie.tif")
    (tmp_path / "movie.xyz").write_text("?")
    with pytest.raises(ValueError, match=r"movie\.xyz: expected a folder or one of \.zarr, \.tif"):
        read_movie(tmp_path / "movie.xyz")
    np.save(tmp_path / "line.npy", np.zeros(9))
    with pytest.raises(ValueError, match=r"line\.npy: expected an image \(Y, X\)"):
        read_movie(tmp_path / "line.npy")
    np.save(tmp_path / "nan.npy", np.full((2, 40, 60), np.nan))
    with pytest.raises(ValueError, match=r"nan\.npy: expected pixels with numbers, found only NaN"):
        read_movie(tmp_path / "nan.npy")


def test_prompts_from_both_kinds_of_files(tmp_path):
    movie = Movie(np.zeros((4, 40, 60), np.uint8))
    export(tmp_path / "prompts.tif", tracked(masklets_of(1), "YX"))
    (said,) = read_prompts(tmp_path / "prompts.tif", movie)
    assert (said.object_id, said.frame, said.prompts[0].mask.sum()) == (7, 0, 100)
    (tmp_path / "prompts.csv").write_text("object,frame,kind,y,x\n3,1,point,4,5\n")
    (said,) = read_prompts(tmp_path / "prompts.csv", movie)
    assert (said.object_id, said.frame) == (3, 1)
    with pytest.raises(FileNotFoundError, match="expected prompts"):
        read_prompts(tmp_path / "none.csv", movie)
    with pytest.raises(ValueError, match=r"prompts\.tif: label image: expected the shape"):
        read_prompts(tmp_path / "prompts.tif", Movie(np.zeros((4, 41, 60), np.uint8)))


def test_importing_loads_neither_torch_nor_napari():
    modules = "napari_sam2.io, napari_sam2.masks.masklets, napari_sam2.movies.movie"
    code = (
        f"import sys, {modules}; sys.exit(bool({{'torch', 'napari', 'qtpy'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_formats_that_change_labels_are_refused(tmp_path):
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / "labels.jpg")
    with pytest.raises(ValueError, match=r"found \.jpg, which changes the values of pixels; save"):
        read_labels(tmp_path / "labels.jpg")
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "labels.png")
    with pytest.raises(ValueError, match="save the labels themselves, not their colours"):
        read_labels(tmp_path / "labels.png")
    with pytest.raises(FileNotFoundError, match="expected a label image, found nothing"):
        read_labels(tmp_path / "labels.tif")


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint64, bool])
def test_labels_of_any_type_are_prompts(tmp_path, dtype):
    labels = np.zeros((40, 60), dtype)
    labels[5:15, 20:30] = 1
    np.save(tmp_path / "labels.npy", labels)
    (prompt,) = read_prompts(tmp_path / "labels.npy", Movie(np.zeros((3, 40, 60), np.uint8)))
    assert (prompt.object_id, prompt.frame) == (1, 0)


@pytest.mark.parametrize("suffix", [".oib", ".ims"])
def test_files_of_microscopes_are_refused_with_advice(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("?")
    with pytest.raises(ValueError, match="can be opened in napari with napari-bioio, or converted"):
        read_movie(tmp_path / f"a{suffix}")
