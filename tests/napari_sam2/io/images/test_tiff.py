import numpy as np
import pytest
import tifffile

from napari_sam2.io.images.tiff import read_tiff, write_tiff
from napari_sam2.io.read import read_movie
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
    with pytest.raises(ValueError, match="give the axes, for example"):
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


def write_pages(path, pages, **options):
    """Write page by page, as scripts do; options are lists with one value for each page."""
    with tifffile.TiffWriter(path) as tif:
        for number, page in enumerate(pages):
            chosen = {name: values[number] for name, values in options.items()}
            tif.write(page, metadata=None, contiguous=False, photometric="minisblack", **chosen)


def test_pages_appended_one_by_one_are_one_movie(tmp_path):
    path = tmp_path / "m.tif"
    for frame in PIXELS:
        tifffile.imwrite(path, frame, append=True)
    movie = read_tiff(path)
    assert movie.layout.label_axes == "TYX"
    np.testing.assert_array_equal(frames_of(movie), PIXELS)
    assert read_tiff(path, "ZYX").layout.label_axes == "ZYX"
    for _ in range(3):
        tifffile.imwrite(tmp_path / "s.tif", PIXELS[:2], append=True, metadata={"axes": "ZYX"})
    assert read_tiff(tmp_path / "s.tif").layout.label_shape == (3, 2, 48, 64)


def test_pages_of_several_compressions_keep_their_order(tmp_path):
    path = tmp_path / "m.tif"
    write_pages(path, PIXELS, compression=[None, "zlib"] * 3)
    np.testing.assert_array_equal(frames_of(read_tiff(path)), PIXELS)


@pytest.mark.parametrize(
    ("odd", "page"), [(PIXELS[3][:30], 3), (PIXELS[0].astype(np.uint8), 0), (PIXELS[5][:8, :8], 5)]
)
def test_pages_of_another_size_or_type_are_named(tmp_path, odd, page):
    path = tmp_path / "m.tif"
    write_pages(path, [odd if number == page else frame for number, frame in enumerate(PIXELS)])
    with pytest.raises(ValueError, match=rf"expected pages of one size and type, .*page {page}"):
        read_tiff(path)


def test_previews_are_left_out_by_their_flag(tmp_path, caplog):
    path = tmp_path / "m.tif"
    write_pages(path, [PIXELS[0][::4, ::4], *PIXELS], subfiletype=[1] + [0] * 6)
    np.testing.assert_array_equal(frames_of(read_tiff(path)), PIXELS)
    assert "m.tif: 1 pages of lower resolution are left out" in caplog.text


@pytest.mark.parametrize(
    "stated", ["images=3\nframes=3", "images=9\nframes=9", "images=6\nframes=9"]
)
def test_imagej_files_whose_description_is_wrong(tmp_path, caplog, stated):
    path = tmp_path / "m.tif"
    write_pages(path, PIXELS, description=[f"ImageJ=1.53t\n{stated}\n"] + [None] * 5)
    np.testing.assert_array_equal(frames_of(read_tiff(path)), PIXELS)
    assert "does not fit its 6 pages" in caplog.text


def test_an_imagej_file_whose_description_is_no_number(tmp_path):
    write_pages(tmp_path / "m.tif", PIXELS, description=["ImageJ=1.53t\nimages=x\n"] + [None] * 5)
    with pytest.raises(ValueError, match=r"m\.tif: expected a whole TIFF, found something else"):
        read_tiff(tmp_path / "m.tif")


def test_pages_that_lead_back_are_refused(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, PIXELS[0], byteorder="<")
    with tifffile.TiffFile(path) as tif:
        begin = tif.pages.first.offset
    content = bytearray(path.read_bytes())
    at = begin + 2 + 12 * int.from_bytes(content[begin : begin + 2], "little")
    content[at : at + 4] = begin.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="found 1 whole pages and a pointer back to one"):
        read_tiff(path)


def test_an_imagej_file_of_one_page_that_was_cut(tmp_path):
    path = tmp_path / "m.tif"
    text = "ImageJ=1.53t\nimages=6\nframes=6\nhyperstack=true\n"
    tifffile.imwrite(path, PIXELS[0], description=text, metadata=None, byteorder=">")
    with path.open("ab") as file:
        file.write(PIXELS[1:4].astype(">u2").tobytes())
    with pytest.raises(
        ValueError, match=r"expected a whole TIFF, found 1 of 6 images; it is trunc"
    ):
        read_tiff(path)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [(9, "3 of 9 planes are missing and are read as black: 6, 7, 8"), (4, "2 of 6 pages are left")],
)
def test_an_ome_tiff_with_another_number_of_frames_than_it_says(tmp_path, caplog, size, sentence):
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, PIXELS, photometric="minisblack", metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes().replace(b'SizeT="6"', f'SizeT="{size}"'.encode()))
    movie = read_tiff(path)
    assert movie.n_frames == size and sentence in caplog.text
    n_there = min(size, 6)
    np.testing.assert_array_equal(frames_of(movie)[:n_there], PIXELS[:n_there])


def test_missing_files_of_an_ome_tiff_are_named(tmp_path, caplog):
    ids = [f"urn:uuid:aaaaaaaa-0000-0000-0000-00000000000{part}" for part in range(2)]
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="{t % 3}" PlaneCount="1">'
        f'<UUID FileName="part{t // 3}.ome.tif">{ids[t // 3]}</UUID></TiffData>'
        for t in range(6)
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{ids[0]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint16" SizeX="64" SizeY="48" SizeC="1" SizeZ="1" SizeT="6">'
        f'<Channel ID="Channel:0:0"/>{data}</Pixels></Image></OME>'
    )
    path = tmp_path / "part0.ome.tif"
    tifffile.imwrite(path, PIXELS[:3], description=xml, metadata=None, photometric="minisblack")
    np.testing.assert_array_equal(frames_of(read_tiff(path))[:3], PIXELS[:3])
    assert "3 of 6 planes are missing" in caplog.text
    assert "3, 4, 5 (part1.ome.tif is not there)" in caplog.text


def test_a_set_with_a_companion_file_is_read_from_each_of_its_files(tmp_path, caplog):
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="0"><UUID FileName="t{t}.ome.tif">u:{t}</UUID></TiffData>'
        for t in range(3)
    )
    space = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    companion = tmp_path / "set.companion.ome"
    companion.write_text(
        f'<OME xmlns="{space}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint16" SizeX="64" SizeY="48" SizeC="1" SizeZ="1" SizeT="3" PhysicalSizeX="0.5" '
        f'PhysicalSizeY="0.25"><Channel ID="Channel:0:0"/>{data}</Pixels></Image></OME>'
    )
    only = f'<OME xmlns="{space}"><BinaryOnly MetadataFile="{companion.name}" UUID="u:9"/></OME>'
    for t in range(3):
        tifffile.imwrite(tmp_path / f"t{t}.ome.tif", PIXELS[t], description=only, metadata=None)
    for path in (companion, tmp_path / "t1.ome.tif"):
        movie = read_movie(path)
        np.testing.assert_array_equal(frames_of(movie), PIXELS[:3])
        assert movie.calibration.pixel_size_yx == (0.25, 0.5)
    companion.unlink()
    np.testing.assert_array_equal(frames_of(read_movie(tmp_path / "t1.ome.tif")), PIXELS[1:2])
    assert "only this file of a set is read: set.companion.ome" in caplog.text


def test_the_first_of_several_images_is_read_and_the_others_are_named(tmp_path, caplog):
    path = tmp_path / "m.ome.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(PIXELS, photometric="minisblack", metadata={"axes": "TYX", "Name": "left"})
        tif.write(PIXELS[:2], photometric="minisblack", metadata={"axes": "TYX", "Name": "right"})
    np.testing.assert_array_equal(frames_of(read_tiff(path)), PIXELS)
    assert "the first image is read, without the others: right (2, 48, 64)" in caplog.text


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_an_ome_tiff_without_the_end_of_its_metadata(tmp_path, cut):
    path = tmp_path / "m.ome.tif"
    write_tiff(path, PIXELS, PIXELS.shape, "TYX", CALIBRATION)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match="it is truncated, copy it again"):
        read_tiff(path)


def test_a_codec_that_is_missing_is_named(tmp_path, monkeypatch):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, PIXELS, compression="zlib", photometric="minisblack")

    def segments(*_, **__):
        raise ImportError("No module named 'compression'")

    monkeypatch.setattr(tifffile.TiffPage, "segments", segments)
    with pytest.raises(ValueError, match=r"page 0 cannot be read .* install imagecodecs"):
        read_tiff(path)


@pytest.mark.parametrize("name", ["m.tif", "m.ome.tif"])
@pytest.mark.parametrize(
    "calibration",
    [
        Calibration((0.5, 0.25), "angstrom", 2.0, 30.0),
        Calibration((130.0, 65.0), "nm", 1500.0, 0.5, "min"),
        Calibration((0.5, 0.25), "", 3.0),
        Calibration(z_step=2.0),
        Calibration(),
    ],
)
def test_calibration_comes_back(tmp_path, name, calibration):
    shape = (2, 3, 48, 64)
    write_tiff(tmp_path / name, PIXELS, shape, "TZYX", calibration)
    found = read_tiff(tmp_path / name).calibration
    assert (found.unit, found.time_unit) == (calibration.unit, calibration.time_unit)
    for letter in "TZYX":
        assert found.axis(letter).step == pytest.approx(calibration.axis(letter).step)


def test_units_and_origins_of_imagej_are_those_of_each_axis(tmp_path):
    text = "ImageJ=1.53t\nimages=6\nslices=6\nunit=nm\nzunit=\\u00B5m\nspacing=1.5\nxorigin=10\n"
    tifffile.imwrite(
        tmp_path / "m.tif", PIXELS, description=text, metadata=None, resolution=(1 / 128, 1 / 64)
    )
    known = read_tiff(tmp_path / "m.tif").calibration
    assert known == Calibration((64.0, 128.0), "nm", 1500.0, origin_yx=(0.0, -1280.0))
    write_tiff(tmp_path / "o.tif", PIXELS, PIXELS.shape, "ZYX", known)
    assert read_tiff(tmp_path / "o.tif").calibration == known


def test_an_ome_tiff_that_describes_far_too_many_planes(tmp_path):
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, PIXELS, photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata.replace('SizeT="6"', 'SizeT="100000000"')
    tifffile.imwrite(path, PIXELS, photometric="minisblack", description=xml, metadata=None)
    with pytest.raises(ValueError, match="found 6 pages and OME-XML with 100000000 planes"):
        read_tiff(path)
