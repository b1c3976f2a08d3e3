import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.io.images.image_files import LABEL_ENDINGS, read_folder, read_picture
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


def write_grey(folder, *names):
    """Write an image of one value for each name: 1, 2, 3 and so on, in this order."""
    folder.mkdir(exist_ok=True)
    for value, name in enumerate(names, start=1):
        Image.fromarray(np.full((40, 60), value, np.uint8)).save(folder / name)


def values_of(movie):
    return [int(frame[0, 0]) for frame in movie]


@pytest.mark.parametrize(
    "ending", ["_cp_masks", "_seg", "_labels", "_masks", "_flows", "_cp_output"]
)
def test_what_was_made_of_images_is_no_frame(tmp_path, caplog, ending):
    write_grey(tmp_path, "i0.png", f"i0{ending}.png", "i1.png", f"i1{ending}.png")
    assert values_of(read_folder(tmp_path)) == [1, 3]
    assert f"2 images are read, without i0{ending}.png, i1{ending}.png" in caplog.text
    wanted = [2, 4] if ending in LABEL_ENDINGS else [1, 3]
    assert values_of(read_folder(tmp_path, labels=True)) == wanted


def test_a_folder_of_masks_alone_is_read(tmp_path):
    write_grey(tmp_path, "i0_cp_masks.png", "i1_cp_masks.png")
    assert values_of(read_folder(tmp_path)) == [1, 2]


def test_names_count_time_depth_and_channels(tmp_path):
    names = [f"img_t{t}_z{z}_c{c}.png" for t in (0, 1) for z in (0, 5, 10) for c in (0, 1)]
    write_grey(tmp_path, *names)
    movie = read_folder(tmp_path, channel=1)
    assert (movie.layout.axes, movie.layout.label_shape) == ("TZCYX", (2, 3, 40, 60))
    assert values_of(movie) == [2, 4, 6, 8, 10, 12]
    np.testing.assert_array_equal(read_folder(tmp_path, channel=(0, 1))[5][0, 0], [11, 12, 0])
    assert values_of(read_folder(tmp_path, "TYX")) == list(range(1, 13))  # the user's word
    (tmp_path / "img_t1_z5_c1.png").unlink()
    with pytest.raises(ValueError, match=r"a file for each of 2 x 3 x 2 \(T, Z, C\), found 11"):
        read_folder(tmp_path)


def test_one_channel_in_each_file(tmp_path):
    write_grey(tmp_path, "cells_ch00.png", "cells_ch01.png")
    movie = read_folder(tmp_path, channel=1)
    assert (movie.layout.label_axes, values_of(movie)) == ("YX", [2])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("p1_3.png", "p1_4.png", "p2_3.png", "p2_4.png"), "found p#_# with 2 numbers that vary"),
        (("1_dapi.png", "1_gfp.png", "2_dapi.png", "2_gfp.png"), "found #_dapi, #_gfp with the sa"),
    ],
)
def test_names_that_count_something_else_are_said(tmp_path, names, sentence):
    write_grey(tmp_path, *names)
    with pytest.raises(ValueError, match=sentence):
        read_folder(tmp_path)
    assert read_folder(tmp_path, "TYX").n_frames == 4


def test_a_number_beside_that_of_the_frame_does_no_harm(tmp_path, caplog):
    write_grey(tmp_path, "f001_s17.png", "f002_s17.png", "f003_s99.png")
    assert values_of(read_folder(tmp_path)) == [1, 2, 3]
    assert not caplog.text


def test_a_frame_that_is_missing_is_said(tmp_path, caplog):
    write_grey(tmp_path, "f0.png", "f1.png", "f3.png", "f4.png")
    assert read_folder(tmp_path).n_frames == 4
    assert "no file has the number 2; the frames behind it are counted without a gap" in caplog.text
    caplog.clear()
    write_grey(tmp_path / "tens", "f10.png", "f20.png", "f30.png")
    read_folder(tmp_path / "tens")
    assert not caplog.text


def test_a_stack_for_each_time_point(tmp_path):
    stacks = np.arange(3 * 5 * 40 * 60, dtype=np.uint16).reshape(3, 5, 40, 60)
    for time, stack in enumerate(stacks):
        tifffile.imwrite(tmp_path / f"t{time:03}.tif", stack, photometric="minisblack")
    movie = read_folder(tmp_path)
    assert (movie.layout.axes, movie.layout.label_shape) == ("TZYX", (3, 5, 40, 60))
    np.testing.assert_array_equal(movie[7], stacks[1, 2])
    other = tmp_path / "others"
    other.mkdir()
    for time, stack in enumerate(stacks):
        tifffile.imwrite(other / f"x{time}.tif", stack, photometric="minisblack")
    with pytest.raises(ValueError, match="the axes TZYX if each file is the stack of a time point"):
        read_folder(other)
    np.testing.assert_array_equal(read_folder(other, "TZYX")[7], stacks[1, 2])


def test_all_channels_of_the_files_of_a_folder(tmp_path):
    for time in range(2):
        pixels = (
            np.full((2, 40, 60), 10 * time, np.uint16)
            + np.arange(2, dtype=np.uint16)[:, None, None]
        )
        tifffile.imwrite(tmp_path / f"{time}.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    assert values_of(read_folder(tmp_path)) == [0, 10]
    assert values_of(read_folder(tmp_path, channel=1)) == [1, 11]


def test_the_indices_of_a_palette_are_labels(tmp_path):
    picture = Image.new("P", (60, 40))
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.paste(2, (10, 20, 30, 40))
    picture.save(tmp_path / "a.png")
    labels = read_picture(tmp_path / "a.png", labels=True)
    assert labels[0][25, 15] == 2 and labels[0][0, 0] == 0
