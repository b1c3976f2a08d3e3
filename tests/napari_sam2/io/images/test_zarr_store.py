import json
from contextlib import suppress

import numpy as np
import pytest
import zarr

from napari_sam2.io.images.ome_zarr import ZARR_FORMAT, Multiscale
from napari_sam2.io.images.zarr_layer import zarr_layer
from napari_sam2.io.images.zarr_store import positions
from napari_sam2.io.read import read_labels, read_movie
from napari_sam2.movies.movie import Calibration

CALIBRATION = Calibration((0.5, 0.25), "um", 2.0, 90.0, "s")


def write_image(path, array, axes, version, calibration=CALIBRATION):
    """Write full and half resolution."""
    group = zarr.open_group(path, mode="w", zarr_format=ZARR_FORMAT[version])
    image = Multiscale(axes, ("0", "1"), calibration, (1, 2))
    group.attrs.update(image.attributes(version, "cells"))
    group.create_array("0", data=array, chunks=(1,) * (array.ndim - 2) + (16, 16))
    group.create_array("1", data=array[..., ::2, ::2])
    return path


def pixels(shape):
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr"])
def test_an_ome_zarr_image(tmp_path, version, name):
    array = pixels((2, 3, 4, 40, 60))
    path = write_image(tmp_path / name, array, "TCZYX", version)
    movie = read_movie(path, channel=2)
    assert (movie.layout.label_axes, movie.layout.label_shape) == ("TZYX", (2, 4, 40, 60))
    np.testing.assert_array_equal(movie[5], array[1, 2, 1])
    assert movie.calibration == CALIBRATION
    low = movie.window(5, slice(0, 40), slice(0, 60), (20, 30))
    np.testing.assert_array_equal(low, array[1, 2, 1, ::2, ::2])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array(tmp_path, zarr_format):
    array = pixels((5, 40, 60))
    zarr.create_array(tmp_path / "a.zarr", data=array, zarr_format=zarr_format)
    np.testing.assert_array_equal(read_movie(tmp_path / "a.zarr", "ZYX")[3], array[3])


def test_a_group_with_one_array(tmp_path, caplog):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("x", data=pixels((5, 40, 60)))
    group.create_group("tracks")
    assert read_movie(tmp_path / "a.zarr").n_frames == 5
    assert "a.zarr: x is read, without tracks" in caplog.text
    assert read_movie(tmp_path / "a.zarr" / "x").n_frames == 5


def test_the_first_series_of_a_converted_file(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_image(tmp_path / "a.zarr" / "0", pixels((5, 40, 60)), "TYX", "0.4")
    assert read_movie(tmp_path / "a.zarr").calibration.time_interval == 90


def test_scales_of_datasets_and_of_the_image_are_multiplied():
    axes = [{"name": "y", "unit": "micrometer"}, {"name": "x", "unit": "micrometer"}]
    scale = [{"type": "scale", "scale": [2, 3]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    image = {"axes": axes, "datasets": [dataset], "coordinateTransformations": scale}
    found = Multiscale.find({"multiscales": [image]})
    assert found is not None and found.calibration.pixel_size_yx == (4, 9)


def test_a_scale_without_a_unit_is_kept_unless_it_is_1():
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2, 3]}]}
    image = {"axes": ["y", "x"], "datasets": [dataset]}
    found = Multiscale.find({"ome": {"multiscales": [image]}})
    assert found is not None and found.calibration == Calibration((2, 3), "")
    dataset["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1]}]
    found = Multiscale.find({"multiscales": [image]})
    assert found is not None and found.calibration == Calibration()


def test_what_is_no_image_is_said(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match=r"empty\.zarr: expected a Zarr array or an OME-Zarr"):
        read_movie(tmp_path / "empty.zarr")
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    with pytest.raises(ValueError, match=r"expected an OME-Zarr image or one array, found none"):
        read_movie(tmp_path / "group.zarr")
    group.attrs["plate"] = {"wells": [{"path": "B/3"}]}
    with pytest.raises(ValueError, match=r"found a plate; give the folder of .* example B/3/0"):
        read_movie(tmp_path / "group.zarr")


def test_an_incomplete_or_damaged_store_is_said(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels((5, 40, 60)), "TYX", "0.4")
    chunk = path / "0" / "2" / "0" / "0"
    if not chunk.exists():
        chunk = path / "0" / "2.0.0"
    chunk.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"a\.zarr: a chunk of 0 cannot be read"):
        read_movie(path)[2]
    (path / "1" / ".zarray").unlink()
    with pytest.raises(ValueError, match=r"a\.zarr: expected the array 1 that its metadata name"):
        read_movie(path)
    bad = write_image(tmp_path / "b.zarr", pixels((5, 40, 60)), "TZYX", "0.5")
    with pytest.raises(ValueError, match=r"expected an array of the axes TZYX, found one of"):
        read_movie(bad)


def test_translations_negative_steps_and_missing_units_come_back(tmp_path):
    for number, known in enumerate(
        (
            Calibration((0.5, 0.25), "um", 2.0, origin_yx=(20.0, 30.0), z_origin=10.0),
            Calibration((0.5, -0.25), "nm", -2.0, z_origin=7.0),
            Calibration((0.5, 0.25), "", 2.0),
            Calibration((13.0, 13.0), "angstrom"),
        )
    ):
        path = write_image(tmp_path / f"{number}.zarr", pixels((3, 40, 60)), "ZYX", "0.5", known)
        assert read_movie(path).calibration == known
        _, settings, _ = zarr_layer(path)
        assert settings["scale"] == tuple(known.axis(letter).step or 1 for letter in "ZYX")
        assert settings["translate"] == tuple(known.axis(letter).origin for letter in "ZYX")


def test_translations_of_datasets_and_of_the_image_are_put_together():
    axes = [{"name": "y", "unit": "micrometer"}, {"name": "x", "unit": "nanometer"}]
    both = [{"type": "scale", "scale": [2, 3]}, {"type": "translation", "translation": [5, 7]}]
    dataset = {"path": "0", "coordinateTransformations": both}
    image = {"axes": axes, "datasets": [dataset], "coordinateTransformations": both}
    found = Multiscale.find({"multiscales": [image]})
    # pixels -> 2 p + 5 -> 2 (2 p + 5) + 5, in nm
    expected = Calibration((4000.0, 9.0), "nm", origin_yx=(15000.0, 28.0))
    assert found is not None and found.calibration == expected


@pytest.mark.parametrize("scale", [None, [1, 2], [0, 0, 0]])
def test_no_pixel_size_is_made_up(scale):
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    dataset = {"path": "0"}
    if scale is not None:
        dataset["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    found = Multiscale.find({"multiscales": [{"axes": axes, "datasets": [dataset]}]})
    assert found is not None and found.calibration == Calibration()


@pytest.mark.parametrize(
    ("names", "axes"),
    [
        (("z", "y", "x"), "ZYX"),
        (("c", "y", "x"), "CYX"),
        (("time", "row", "column"), "TYX"),
        (("dim_0", "dim_1", "dim_2"), "TYX"),  # guessed
    ],
)
def test_names_of_axes_of_zarr_3_and_xarray(tmp_path, names, axes):
    array = pixels((3, 40, 60)) + 1
    zarr.create_array(tmp_path / "3.zarr", data=array, zarr_format=3, dimension_names=names)
    old = zarr.create_array(tmp_path / "x.zarr", data=array, zarr_format=2)
    old.attrs["_ARRAY_DIMENSIONS"] = list(names)
    for path in (tmp_path / "3.zarr", tmp_path / "x.zarr"):
        assert read_movie(path).layout.axes == axes
        assert read_movie(path, "ZYX").layout.axes == "ZYX"


def test_the_users_axes_win_and_scales_go_by_their_order(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels((2, 3, 40, 60)) + 1, "TZYX", "0.4")
    attributes = json.loads((path / ".zattrs").read_text())
    named = attributes["multiscales"][0]["axes"]
    named[0], named[1] = {"name": "round", "type": "time", "unit": "second"}, {"name": "depth"}
    (path / ".zattrs").write_text(json.dumps(attributes))
    assert read_movie(path).layout.axes == "TZYX"  # by type, and by a usual name
    named[1] = {"name": "height of the stage", "type": "space", "unit": "micrometer"}
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(ValueError, match="give the axes yourself"):
        read_movie(path)
    movie = read_movie(path, "TZYX")
    assert (movie.layout.axes, movie.calibration) == ("TZYX", CALIBRATION)


def test_missing_chunks_are_said(tmp_path, caplog):
    array = zarr.create_array(tmp_path / "a.zarr", data=pixels((5, 40, 60)) + 1, chunks=(1, 20, 60))
    files = sorted(file for file in (tmp_path / "a.zarr" / "c").rglob("*") if file.is_file())
    assert len(files) == array.nchunks == 10
    files[3].unlink()
    movie = read_movie(tmp_path / "a.zarr")
    assert "a.zarr: 1 of 10 chunks are missing; their pixels are read as 0" in caplog.text
    assert (movie[1][20:] == 0).all() and (movie[1][:20] > 0).all()
    for file in files[:3] + files[4:]:
        file.unlink()
    with pytest.raises(
        ValueError, match=r"expected chunks with names such as c/0/0/0, .* found none"
    ):
        read_movie(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("0/.zarray", {"shape": [4, float("nan"), 9]}, "expected metadata of arrays, found"),
        (".zattrs", {"plate": {"wells": [{}]}}, "expected metadata of a plate, found KeyError"),
        (".zattrs", {"plate": [1]}, "expected metadata of a plate, found AttributeError"),
    ],
)
def test_damaged_metadata_are_refused(tmp_path, name, content, message):
    store = write_image(tmp_path / "a.ome.zarr", pixels((4, 20, 30)), "TYX", "0.4")
    about = store / name
    about.write_text(json.dumps({**json.loads(about.read_text()), **content}))
    with pytest.raises(ValueError, match=rf"a\.ome\.zarr: {message}"):
        positions(store), read_movie(store)


def test_chunks_without_pixels_are_refused(tmp_path):
    zarr.create_array(
        tmp_path / "a.zarr", shape=(5, 40, 60), dtype="u2", chunks=(1, 20, 60), zarr_format=2
    )
    about = tmp_path / "a.zarr" / ".zarray"
    about.write_text(json.dumps({**json.loads(about.read_text()), "chunks": [0, 0, 0]}))
    with pytest.raises(ValueError, match=r"a\.zarr: expected chunks of pixels, found chunks of"):
        read_movie(tmp_path / "a.zarr")


def test_a_level_without_chunks_is_said(tmp_path):
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=pixels((2, 40, 60)) + 1)
    group.create_array("1", shape=(2, 20, 30), dtype="u2")
    axes = [{"name": name} for name in "tyx"]
    datasets = [{"path": "0"}, {"path": "1"}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    with pytest.raises(ValueError, match=r"a\.ome\.zarr: expected chunks .* found none"):
        read_movie(tmp_path / "a.ome.zarr")


def test_chunks_with_another_separator_are_said(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(
        path,
        data=pixels((5, 40, 60)) + 1,
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    metadata = json.loads((path / ".zarray").read_text())
    del metadata["dimension_separator"]
    (path / ".zarray").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"such as 0\.0\.0, .* lack dimension_separator"):
        read_movie(path)


def test_what_a_group_has_in_place_of_an_image_is_said(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels((3, 40, 60)) + 1, "ZYX", "0.4")
    zarr.open_group(path / "labels", mode="w", zarr_format=2).attrs["labels"] = ["cells", "nuclei"]
    with pytest.raises(
        ValueError, match="a group of label images; give one of them: cells, nuclei"
    ):
        read_movie(path / "labels")
    with pytest.raises(
        ValueError, match=r"give one of a\.zarr/labels/cells, a\.zarr/labels/nuclei"
    ):
        read_labels(path)
    group = zarr.open_group(tmp_path / "well.zarr", mode="w", zarr_format=2)
    group.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    with pytest.raises(ValueError, match="a well; give one of its fields: 0, 1"):
        read_movie(tmp_path / "well.zarr")
    zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=2).attrs["geff"] = {}
    with pytest.raises(ValueError, match="a GEFF, a graph of tracks without pixels"):
        read_movie(tmp_path / "g.zarr")


def places(value, at=()):
    """List the keys of all values in a JSON object."""
    yield at
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*at, key))


def exchanged(value, at, new):
    """Return a JSON object with another value at one place."""
    if not at:
        return new
    copied = value.copy()
    copied[at[0]] = exchanged(value[at[0]], at[1:], new)
    return copied


@pytest.mark.parametrize(
    "new", [None, 1, 1.5, "x", [], {}, [None], [{}], 10**400], ids=lambda v: repr(v)[:9]
)
@pytest.mark.parametrize("kind", ["an image", "a plate", "a well", "a plain array"])
def test_metadata_of_any_other_type_are_refused_or_left_out(tmp_path, kind, new):
    path = tmp_path / "a.zarr"
    write_image(path / "A" / "1" / "0", pixels((2, 8, 9)), "TYX", "0.4")
    zarr.create_array(tmp_path / "b.zarr", data=pixels((2, 8, 9)), zarr_format=2)
    folder, attributes = {
        "an image": (path / "A" / "1" / "0", None),
        "a plate": (path, {"plate": {"wells": [{"path": "A/1"}]}}),
        "a well": (path / "A" / "1", {"well": {"images": [{"path": "0"}]}}),
        "a plain array": (tmp_path / "b.zarr", {"_ARRAY_DIMENSIONS": ["t", "y", "x"]}),
    }[kind]
    if attributes is None:
        attributes = json.loads((folder / ".zattrs").read_text())
    for group in (path, path / "A", path / "A" / "1"):
        zarr.open_group(group, zarr_format=2)
    for at in places(attributes):
        (folder / ".zattrs").write_text(json.dumps(exchanged(attributes, at, new)))
        for read, where in ((read_movie, folder), (read_labels, folder), (positions, path)):
            with suppress(ValueError, OSError):  # of names that are too long for the system
                read(where)
