import numpy as np
import pytest
import tifffile

from napari_sam2.io.images.tiff import read_tiff, write_tiff
from napari_sam2.movies.movie import Calibration

PIXELS = np.random.default_rng(0).integers(0, 4000, (6, 48, 64)).astype(np.uint16)
CALIBRATION = Calibration((0.65, 0.325), "um", z_step=2.0, time_interval=30.0)


def frames_of(movie):
    return np.stack(list(movie))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((6, 48, 64), {}, "TYX"),
        ((6, 48, 64), {"metadata": {"axes": "ZYX"}}, "ZYX"),
        ((6, 48, 64), {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX"),
        ((6, 48, 64), {"imagej": True, "metadata": {"axes": "ZYX"}}, "ZYX"),
        ((6, 48, 64), {"ome": True, "metadata": {"axes": "TYX"}}, "TYX"),
        ((48, 64), {}, "YX"),
        ((1, 48, 64), {"imagej": True, "metadata": {"axes": "TYX"}}, "YX"),
    ],
)
def test_every_kind_is_read(tmp_path, compression, byteorder, shape, options, axes):
    pixels = PIXELS.ravel()[: np.prod(shape)].reshape(shape)
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path,
        pixels,
        compression=compression,
        byteorder=byteorder,
        photometric="minisblack",
        **options,
    )
    movie = read_tiff(path)
    assert movie.layout.label_axes == axes
    assert movie[0].dtype == np.uint16
    assert movie[0].dtype.isnative
    np.testing.assert_array_equal(frames_of(movie), pixels.reshape(-1, 48, 64))


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}, {}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_channel_of_a_movie(tmp_path, options, compression):
    path = tmp_path / "movie.tif"
    pixels = PIXELS.reshape(3, 1, 2, 48, 64)
    tifffile.imwrite(
        path,
        pixels,
        compression=compression,
        metadata={"axes": "TZCYX"},
        photometric="minisblack",
        **options,
    )
    np.testing.assert_array_equal(frames_of(read_tiff(path)), pixels[:, 0, 0])
    np.testing.assert_array_equal(frames_of(read_tiff(path, channel=1)), pixels[:, 0, 1])
    np.testing.assert_array_equal(frames_of(read_tiff(path, "TZCYX", 1)), pixels[:, 0, 1])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", [False, True])
def test_rgb(tmp_path, compression, planar):
    colours = np.stack([PIXELS[:3] // 16 + i for i in range(3)], 1 if planar else -1)
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(
        path,
        colours.astype(np.uint8),
        photometric="rgb",
        compression=compression,
        planarconfig="separate" if planar else "contig",
    )
    movie = read_tiff(path)
    assert movie.is_rgb
    assert movie.frame_shape == (48, 64)
    expected = np.moveaxis(colours, 1, -1) if planar else colours
    np.testing.assert_array_equal(frames_of(movie), expected.astype(np.uint8))


def test_pages_without_metadata_and_tiles(tmp_path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in PIXELS:
            tif.write(frame, contiguous=False, metadata=None, tile=(16, 16))
    np.testing.assert_array_equal(frames_of(read_tiff(path)), PIXELS)
    assert read_tiff(path, "ZYX").layout.label_axes == "ZYX"


def test_axes_that_do_not_fit(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, PIXELS, photometric="minisblack")
    with pytest.raises(ValueError, match="name 4 axes, the image has 3"):
        read_tiff(path, "TZYX")


def test_axes_that_the_file_does_not_know(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, PIXELS.reshape(3, 2, 48, 64), photometric="minisblack")
    with pytest.raises(ValueError, match="say which axis is which"):
        read_tiff(path)
    assert read_tiff(path, "TCYX", 1).n_frames == 3


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}, {"contiguous": False}])
def test_a_truncated_file_is_said(tmp_path, kept, compression, options):
    path = tmp_path / "movie.tif"
    if "contiguous" in options:
        with tifffile.TiffWriter(path) as tif:
            for frame in PIXELS:
                tif.write(frame, compression=compression, metadata=None, **options)
    else:
        tifffile.imwrite(path, PIXELS, compression=compression, photometric="minisblack", **options)
    content = path.read_bytes()
    if "ome" in options:
        kept = min(kept, 0.9)  # it ends with words, of which some may be missed
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match=r"movie.tif: expected a whole TIFF.*it is truncated"):
        read_tiff(path)


@pytest.mark.parametrize("content", [b"", b"II", b"these are words, not pixels", b"II*\0" * 9])
def test_what_is_no_tiff_is_said(tmp_path, content):
    path = tmp_path / "words.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"words.tif: expected a"):
        read_tiff(path)


def test_a_damaged_page_is_said(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, PIXELS, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[3].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 50] = bytes(50)
    path.write_bytes(content)
    movie = read_tiff(path)
    np.testing.assert_array_equal(movie[2], PIXELS[2])
    with pytest.raises(ValueError, match=r"movie\.tif: page 3 cannot be read"):
        movie[3]


@pytest.mark.parametrize(
    ("name", "dtype", "axes"),
    [
        ("labels.tif", np.uint16, "TYX"),
        ("labels.tif", np.uint16, "ZYX"),
        ("labels.tif", np.uint16, "YX"),
        ("labels.tif", np.uint32, "TYX"),
        ("labels.ome.tif", np.uint16, "ZYX"),
    ],
)
def test_what_is_written_is_read_with_its_calibration(tmp_path, name, dtype, axes):
    path = tmp_path / name
    pixels = PIXELS.astype(dtype)[: 1 if axes == "YX" else 6]
    shape = pixels.shape[-len(axes) :]
    write_tiff(path, iter(pixels), shape, axes, CALIBRATION)
    movie = read_tiff(path)
    assert movie.layout.label_axes == axes
    assert movie.dtype == dtype
    np.testing.assert_array_equal(frames_of(movie), pixels)
    np.testing.assert_allclose(movie.calibration.pixel_size_yx, (0.65, 0.325), rtol=1e-6)
    assert movie.calibration.unit == "um"
    assert movie.calibration.z_step == 2.0
    assert movie.calibration.time_interval == 30.0
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome == (dtype == np.uint32 or ".ome" in name)
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    np.testing.assert_array_equal(tifffile.imread(path), pixels.reshape(shape))


def test_nothing_is_made_up_where_nothing_is_known(tmp_path):
    path = tmp_path / "labels.tif"
    write_tiff(path, iter(PIXELS), PIXELS.shape, "TYX", Calibration())
    assert read_tiff(path).calibration == Calibration()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "labels.tif"
    path.write_text("the old one")

    def frames():
        yield PIXELS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tiff(path, frames(), PIXELS.shape, "TYX", CALIBRATION)
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_to_write_to(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder to write to"):
        write_tiff(tmp_path / "no" / "x.tif", iter(PIXELS), PIXELS.shape, "TYX", CALIBRATION)


def test_tiles_and_levels_of_a_pyramid(tmp_path):
    array = np.arange(3 * 256 * 384, dtype=np.uint32).reshape(3, 256, 384)
    path = tmp_path / "pyramid.ome.tif"
    options = {"tile": (64, 64), "compression": "zlib", "photometric": "minisblack"}
    with tifffile.TiffWriter(path) as tif:
        tif.write(array, subifds=1, metadata={"axes": "ZYX"}, **options)
        tif.write(array[:, ::2, ::2], subfiletype=1, **options)
    movie = read_tiff(path)
    assert movie.layout.label_axes == "ZYX"
    np.testing.assert_array_equal(movie[2], array[2])
    window = movie.window(1, slice(70, 90), slice(100, 300))
    np.testing.assert_array_equal(window, array[1, 70:90, 100:300])
    coarse = movie.window(1, slice(0, 256), slice(0, 384), (100, 150))
    np.testing.assert_array_equal(coarse, array[1, ::2, ::2])
