"""Every kind of image through the API and the shell: what comes out fits what went in."""

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from tests.napari_sam2.image_kinds import CELL_YX, KINDS, LENGTHS

import sam2_torch
from napari_sam2.api import prompted
from napari_sam2.cli import main
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import PointPrompt
from sam2_torch.sessions.run_estimate import Estimate


@pytest.fixture(autouse=True)
def sessions(monkeypatch, make_session):
    """Sessions that draw a disc where they are told, and move it; no network."""

    def open_stub(model, frames, **options):
        session = make_session(frames)
        assert {np.asarray(frame).shape[:2] for frame in frames} == {session.frame_shape}
        return session

    monkeypatch.setitem(vars(sam2_torch), "VideoSession", open_stub)
    monkeypatch.setattr(prompted, "estimate_run", lambda *_: Estimate(None, 0, 0))
    monkeypatch.setattr("napari_sam2.cli.track.load_model", lambda arguments: None)


def test_a_last_axis_of_one_or_two_is_no_row_of_pixels():
    for shape, axes in [((40, 60, 1), "YXS"), ((3, 40, 60, 2), "TYXS"), ((3, 40, 60), "TYX")]:
        movie = Movie(np.ones(shape))
        assert (movie.layout.axes, movie.frame_shape, movie.is_rgb) == (axes, (40, 60), False)


def expected_shape(kind):
    return tuple(LENGTHS[letter] for letter in kind.labels)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_through_the_api(kind):
    movie = Movie(kind.array(), kind.axes)
    assert movie.layout.label_shape == expected_shape(kind)
    frame = movie[0].astype(float)
    grey = frame if frame.ndim == 2 else frame.mean(-1)
    inside, outside = grey[CELL_YX], grey[CELL_YX[1] % 40, CELL_YX[0]]
    assert inside > outside  # rows are rows
    said = ObjectPrompts(3, 0, (PointPrompt([CELL_YX], [1]),))
    masklets = prompted.track(None, movie, [said])
    assert (masklets.n_frames, masklets.frame_shape) == (movie.n_frames, (40, 60))
    assert masklets.labels(0)[CELL_YX] == 3


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_through_the_shell(kind, tmp_path, capsys):
    np.save(tmp_path / "movie.npy", kind.array())
    z = "z," if kind.labels == "TZYX" else ""
    place = "0," if z else ""
    y, x = CELL_YX
    (tmp_path / "p.csv").write_text(f"object,frame,{z}kind,y,x\n3,0,{place}point,{y},{x}\n")
    out = tmp_path / "labels.tif"
    given = ["--prompts", str(tmp_path / "p.csv"), "-o", str(out), "--axes", kind.axes]
    assert main(["track", str(tmp_path / "movie.npy"), *given]) == 0, capsys.readouterr().err
    labels = tifffile.imread(out)
    assert labels.shape == expected_shape(kind)
    assert labels.reshape(-1, 40, 60)[0][CELL_YX] == 3


def wrong_inputs(folder):
    good = np.zeros((3, 40, 60), np.uint16)
    np.save(folder / "line.npy", np.zeros(9))
    (folder / "text.tif").write_text("this is no picture")
    tifffile.imwrite(folder / "whole.tif", good, compression="zlib", photometric="minisblack")
    (folder / "cut.tif").write_bytes((folder / "whole.tif").read_bytes()[:300])
    (folder / "empty").mkdir()
    np.save(folder / "good.npy", good)
    np.save(folder / "nan.npy", np.full((3, 40, 60), np.nan, np.float32))
    np.save(folder / "complex.npy", np.zeros((40, 60), complex))
    (folder / "empty.zarr").mkdir()
    (folder / "text.mp4").write_text("this is no video")
    np.save(folder / "none.npy", np.zeros((3, 0, 60), np.uint16))
    np.save(folder / "words.npy", np.full((40, 60), "cell"))
    np.save(folder / "objects.npy", np.full((40, 60), None), allow_pickle=True)
    (folder / "cut.npy").write_bytes((folder / "good.npy").read_bytes()[:200])
    np.save(folder / "five.npy", np.zeros((2, 2, 2, 9, 9), np.uint8))
    zarr.create_array(folder / "line.zarr", data=np.zeros(9))
    array = zarr.create_array(folder / "torn.zarr", data=good + 7, chunks=(1, 40, 60))
    for chunk in (folder / "torn.zarr" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:9])
    assert array.nchunks == 3
    tifffile.imwrite(folder / "nan.tif", np.full((40, 60), np.nan, np.float32))
    tifffile.imwrite(folder / "uncompressed.tif", good, photometric="minisblack")
    whole = (folder / "uncompressed.tif").read_bytes()
    (folder / "half.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    (folder / "mixed").mkdir()
    Image.fromarray(good[0].astype(np.uint8)).save(folder / "mixed" / "1.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "mixed" / "2.png")


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("line.npy", [], "expected an image (Y, X)"),
        ("text.tif", [], "expected a whole TIFF"),
        ("cut.tif", [], "it is truncated"),
        ("empty", [], "expected a folder of images"),
        ("good.npy", ["--axes", "TZYX"], "name 4 axes, the image has 3"),
        ("good.npy", ["--axes", "QYX"], "each letter of TZCYXS at most once"),
        ("good.npy", ["--channel", "1"], "channel 1: expected 0..0"),
        ("good.npy", ["--gamma", "0"], "gamma: expected a positive number"),
        ("nan.npy", [], "found only NaN or infinity"),
        ("complex.npy", [], "expected pixels that are real numbers"),
        ("empty.zarr", [], "expected a Zarr array or an OME-Zarr image"),
        ("text.mp4", [], "expected a video"),
        ("none.tif", [], "found nothing"),
        ("none.npy", [], "expected at least one pixel, found the shape (3, 0, 60)"),
        ("words.npy", [], "expected pixels that are real numbers"),
        ("objects.npy", [], "objects.npy: expected"),
        ("cut.npy", [], "cut.npy: expected"),
        ("five.npy", [], "give the axes, for example"),
        ("good.npy", ["--axes", "CYX", "--channel", "3"], "channel 3: expected 0..2"),
        ("good.npy", ["--axes", "TZ"], "with Y and X"),
        ("line.zarr", [], "expected an image (Y, X)"),
        ("nan.tif", [], "found only NaN or infinity"),
        ("half.tif", [], "it is truncated"),
        ("half.png", [], "expected an image, found something else or a truncated file"),
    ],
)
@pytest.mark.parametrize("verb", ["track", "segment"])
def test_what_cannot_be_read_is_one_sentence(tmp_path, capsys, verb, name, options, sentence):
    wrong_inputs(tmp_path)
    (tmp_path / "p.csv").write_text("object,frame,kind,y,x\n3,0,point,4,5\n")
    before = sorted(tmp_path.rglob("*"))
    given = ["--prompts", str(tmp_path / "p.csv"), "-o", str(tmp_path / "out.tif"), *options]
    assert main([verb, str(tmp_path / name), *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and sentence in said[0] and "Traceback" not in said[0]
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("torn.zarr", "it is damaged, copy the store again"), ("mixed", "expected (40, 60) uint8")],
)
def test_what_is_found_to_be_damaged_on_the_way_leaves_no_output(tmp_path, capsys, name, sentence):
    wrong_inputs(tmp_path)
    (tmp_path / "p.csv").write_text("object,frame,kind,y,x\n3,0,point,4,5\n")
    before = sorted(tmp_path.rglob("*"))
    given = ["--prompts", str(tmp_path / "p.csv"), "-o", str(tmp_path / "out.tif")]
    assert main(["track", str(tmp_path / name), *given]) == 2
    said = capsys.readouterr().err
    assert sentence in said.strip().splitlines()[-1] and "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before
