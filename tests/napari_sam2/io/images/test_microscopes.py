"""Files of microscopes: CZI is written with Zeiss's own library where it is installed."""

import logging
import sys
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

import napari_sam2 as ns

PIXELS = np.random.default_rng(0).integers(0, 4000, (3, 2, 40, 60), dtype=np.uint16)  # TCYX


class StubImage:
    """Two scenes with the interface of `bioio.BioImage`: for runs without bioio."""

    scenes = ("Image:0", "Image:1")
    dims = SimpleNamespace(order="TCZYX")
    physical_pixel_sizes = SimpleNamespace(Z=None, Y=0.4, X=0.2)
    time_interval = timedelta(seconds=2)

    def __init__(self, path, reader):
        self.dask_data = PIXELS[:, :, None]

    def set_scene(self, scene):
        self.dask_data = PIXELS[:, :, None] + self.scenes.index(scene)


@pytest.mark.parametrize("suffix", [".czi", ".lif", ".nd2"])
def test_scenes_and_calibration_are_those_of_bioio(tmp_path, suffix, monkeypatch, caplog):
    stubs = {
        "bioio": SimpleNamespace(BioImage=StubImage),
        f"bioio_{suffix[1:]}": SimpleNamespace(Reader=None),
        "bioio_base": SimpleNamespace(),
        "bioio_base.exceptions": SimpleNamespace(UnsupportedFileFormatError=LookupError),
    }
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    path = tmp_path / f"cells{suffix}"
    path.write_text("?")
    with caplog.at_level(logging.WARNING):
        movie = ns.read(path, channel=1)
    assert "the first of its scenes is read, without" in caplog.text
    np.testing.assert_array_equal(movie[2], PIXELS[2, 1])
    assert movie.layout.axes == "TCYX"
    assert movie.calibration == ns.Calibration((0.4, 0.2), "um", None, 2.0, "s")
    np.testing.assert_array_equal(ns.read(path / "Image:1")[0], PIXELS[0, 0] + 1)


@pytest.fixture
def czi(tmp_path):
    """Three frames of two channels, 0.4 x 0.2 um; Zeiss's library names no scenes in its XML."""
    pytest.importorskip("bioio_czi")
    writer = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "cells.czi"
    with writer.create_czi(str(path)) as file:
        for t, frame in enumerate(PIXELS):
            for c, image in enumerate(frame):
                file.write(image[..., None], plane={"T": t, "C": c}, scene=0)
        file.write_metadata("cells", scale_x=0.2e-6, scale_y=0.4e-6)
    return path


def test_channels_and_pixel_sizes_of_a_czi_are_read(czi):
    movie = ns.read(czi, channel=1)
    assert movie.n_frames == 3
    assert movie.n_channels == 2
    np.testing.assert_array_equal(movie[2], PIXELS[2, 1])
    assert movie.calibration.pixel_size_yx == pytest.approx((0.4, 0.2))
    assert (movie.calibration.unit, movie.calibration.z_step) == ("um", None)
    np.testing.assert_array_equal(ns.read(czi / "0")[0], PIXELS[0, 0])
    with pytest.raises(ValueError, match=r"expected one of the scenes .*, found '7'"):
        ns.read(czi / "7")


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path):
    pytest.importorskip("bioio_czi")
    (tmp_path / "a.czi").write_text("?")
    with pytest.raises(ValueError, match=r"a\.czi: expected a \.czi, found a file that bioio-czi"):
        ns.read(tmp_path / "a.czi")


@pytest.mark.parametrize("suffix", [".czi", ".lif", ".nd2"])
def test_a_missing_reader_is_named_with_the_extra(tmp_path, suffix, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / f"a{suffix}").write_text("?")
    with pytest.raises(ImportError, match=r'pip install "napari-sam2\[microscopes\]"'):
        ns.read(tmp_path / f"a{suffix}")
