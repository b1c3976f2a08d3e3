from pathlib import Path

import pytest

from napari_sam2.io.files import natural_key, replacing, stem, suffix


@pytest.mark.parametrize(
    ("name", "kind", "rest"),
    [
        ("a.tif", ".tif", "a"),
        ("a.b.TIFF", ".tiff", "a.b"),
        ("a.ome.tif", ".ome.tif", "a"),
        ("a.OME.TIFF", ".ome.tiff", "a"),
        ("plain", "", "plain"),
    ],
)
def test_suffix_and_stem(name, kind, rest):
    assert suffix(Path("x.y") / name) == kind
    assert stem(Path("x.y") / name) == rest


def test_natural_order():
    names = ["a10.tif", "a2.tif", "b1.tif", "a2b.tif", "1.tif", "10.tif"]
    ordered = [path.name for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["1.tif", "10.tif", "a2.tif", "a2b.tif", "a10.tif", "b1.tif"]


def test_a_new_file_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_the_stem_of_a_store(tmp_path):
    (tmp_path / "cells.ome.zarr").mkdir()
    (tmp_path / "day.1").mkdir()
    assert stem(tmp_path / "cells.ome.zarr") == "cells"
    assert stem(tmp_path / "day.1") == "day.1"
