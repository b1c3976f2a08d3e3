from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.cli import main


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    movie = np.zeros((3, 30, 44), np.uint16)
    movie[:2, 4:9, 5:12] = 7
    movie[1:, 15:20, 20:30] = 300
    tifffile.imwrite(tmp_path / "labels.tif", movie, imagej=True, metadata={"axes": "TYX"})
    return tmp_path / "labels.tif"


def test_export_writes_several_forms_at_once(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [str(tmp_path / name) for name in ("a.ctc", "b.geff", "c.csv")]
    options = [word for output in outputs for word in ("-o", output)]
    assert main(["export", str(labels), *options]) == 0
    assert (tmp_path / "a.ctc" / "res_track.txt").read_text() == "7 0 1 0\n300 1 2 0\n"
    assert f"{outputs[1]}: GEFF" in capsys.readouterr().out
    assert main(["export", outputs[1], "-o", str(tmp_path / "again.tif")]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "again.tif"), tifffile.imread(labels))


def test_export_measures_the_movie_that_is_given(labels: Path, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "movie.tif", np.full((3, 30, 44), 12, np.uint16), photometric="minisblack"
    )
    command = ["export", str(labels), "-o", str(tmp_path / "x.csv")]
    assert main([*command, "--movie", str(tmp_path / "movie.tif"), "--axes", "TYX"]) == 0
    header, first, *_ = (tmp_path / "x.csv").read_text().splitlines()
    assert dict(zip(header.split(","), first.split(","), strict=True))["mean_intensity"] == "12.0"


def test_export_measures_every_channel(labels: Path, tmp_path: Path) -> None:
    movie = np.full((3, 2, 30, 44), 12, np.uint16)
    movie[:, 1] = 30
    tifffile.imwrite(tmp_path / "movie.tif", movie, photometric="minisblack")
    command = ["export", str(labels), "-o", str(tmp_path / "x.csv"), "--channel", "1"]
    assert main([*command, "--movie", str(tmp_path / "movie.tif"), "--axes", "TCYX"]) == 0
    header, first, *_ = (tmp_path / "x.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert (row["mean_channel_0"], row["mean_channel_1"]) == ("12.0", "30.0")
    assert row["background_channel_1"] == "30.0"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["labels.tif", "-o", "x.doc"], "expected an output that ends in"),
        (["labels.tif", "-o", "labels.tif"], "found one of the inputs"),
        (["nothing.geff", "-o", "x.tif"], "found nothing"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(
    labels: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(labels.parent)
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err
