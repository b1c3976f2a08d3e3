import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.io.images.image_files import read_folder, read_picture
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.movies.movie import Calibration

RAMP = np.arange(40 * 60).reshape(40, 60)


@pytest.mark.parametrize(
    ("pixels", "rgb"),
    [
        (RAMP.astype(np.uint8), False),
        (RAMP.astype(np.uint16) * 27, False),
        (np.stack([RAMP, RAMP + 1, RAMP + 2], -1).astype(np.uint8), True),
        (RAMP[:, :, None].repeat(4, -1).astype(np.uint8), True),
        (RAMP > 500, False),
    ],
)
def test_pictures(tmp_path, pixels, rgb):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    movie = read_picture(tmp_path / "a.png")
    assert (movie.n_frames, movie.frame_shape, movie.is_rgb) == (1, (40, 60), rgb)
    assert movie.layout.label_axes == "YX"
    np.testing.assert_array_equal(movie[0], pixels[..., :3] if rgb else pixels)


def test_a_palette_is_colours(tmp_path):
    colours = np.stack([RAMP, RAMP + 1, RAMP + 2], -1).astype(np.uint8)
    Image.fromarray(colours).convert("P").save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").is_rgb


@pytest.mark.parametrize("content", [b"", b"words"])
def test_what_is_no_picture_is_said(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png: expected an image"):
        read_picture(tmp_path / "a.png")


def test_a_truncated_picture_is_said(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"a\.png: expected an image"):
        read_picture(path)


def test_a_folder_is_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        Image.fromarray(np.full((40, 60), number, np.uint8)).save(tmp_path / f"img{number}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    movie = read_folder(tmp_path)
    assert [frame[0, 0] for frame in movie] == [1, 2, 10]
    assert movie.layout.label_axes == "TYX"


def test_a_folder_of_tiffs_keeps_the_calibration(tmp_path):
    calibration = Calibration((0.5, 0.5), "um")
    for number in range(3):
        pixels = (RAMP + number).astype(np.uint16)
        write_tiff(tmp_path / f"{number}.tif", [pixels], (40, 60), "YX", calibration)
    movie = read_folder(tmp_path, "ZYX")
    assert movie.layout.label_axes == "ZYX"
    assert movie.calibration.pixel_size_yx == pytest.approx((0.5, 0.5))
    np.testing.assert_array_equal(movie[2], RAMP + 2)


def test_a_folder_of_colours(tmp_path):
    for number in range(2):
        Image.fromarray(np.full((40, 60, 3), number, np.uint8)).save(tmp_path / f"{number}.jpg")
    movie = read_folder(tmp_path)
    assert movie.is_rgb
    assert movie[1].shape == (40, 60, 3)


def test_frames_of_two_shapes_are_said(tmp_path):
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / "0.png")
    Image.fromarray(np.zeros((60, 40), np.uint8)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"1\.png: expected \(40, 60\) uint8 as in 0\.png"):
        read_folder(tmp_path)[1]


def test_movies_in_a_folder_are_said(tmp_path):
    tifffile.imwrite(tmp_path / "0.tif", np.zeros((5, 40, 60), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match="expected one image in each file"):
        read_folder(tmp_path)


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(ValueError, match="expected a folder of images"):
        read_folder(tmp_path)
