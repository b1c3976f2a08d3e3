from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.cli import main
from napari_sam2.sample_data import dividing_nuclei_with_truth


def test_link_makes_tracks_of_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    movie, truth = (array[5:8] for array in dividing_nuclei_with_truth())
    labels = truth.copy()
    labels[1][labels[1] > 0] = 20 - labels[1][labels[1] > 0]
    for name, array in (("movie", movie), ("labels", labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, imagej=True, metadata={"axes": "TYX"})
    command = ["link", str(tmp_path / "movie.tif"), "--labels", str(tmp_path / "labels.tif")]
    options = ["--device", "cpu", "--local-only"]
    assert main([*command, *options, "-o", str(tmp_path / "x.ctc")]) == 0
    assert "11 objects, 1 division" in capsys.readouterr().out
    rows = np.loadtxt(tmp_path / "x.ctc" / "res_track.txt", int)
    assert len(rows) == 11 and sorted(rows[:, 3])[-3:] == [0, rows[9, 3], rows[9, 3]]


def test_labels_of_another_movie_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, shape in (("movie", (3, 20, 30)), ("labels", (3, 20, 31))):
        array = np.ones(shape, np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", array, imagej=True, metadata={"axes": "TYX"})
    command = ["link", str(tmp_path / "movie.tif"), "--labels", str(tmp_path / "labels.tif")]
    assert main([*command, "-o", str(tmp_path / "x.tif")]) == 2
    assert "expected masks for the movie's 3 frames of 20 x 30" in capsys.readouterr().err
