from types import SimpleNamespace

import numpy as np
import pytest

import sam2_torch
from napari_sam2.api import prompted
from napari_sam2.cli import main
from napari_sam2.cli.demo import bright_cells
from napari_sam2.io.read import read_movie
from napari_sam2.sample_data import dividing_nuclei_with_truth
from sam2_torch.sessions.run_estimate import Estimate


@pytest.fixture(autouse=True)
def quick(monkeypatch, make_session):
    """No network: sessions that draw discs."""
    model = SimpleNamespace(device="cpu", dtype="float32")
    monkeypatch.setattr(prompted, "estimate_run", lambda *_: Estimate(None, 10**9, 10**8))
    monkeypatch.setattr("sam2_torch.checkpoints.loading.load_sam2", lambda *_, **__: model)
    monkeypatch.setitem(
        vars(sam2_torch), "VideoSession", lambda _, frames, **_options: make_session(frames)
    )


def test_the_synthetic_demo(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo")]) == 0
    found = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert found == ["labels.tif", "movie.tif", "outlines.png", "prompts.csv"]
    movie, truth = dividing_nuclei_with_truth()
    np.testing.assert_array_equal(np.stack(list(read_movie(tmp_path / "demo/movie.tif"))), movie)
    labels = read_movie(tmp_path / "demo/labels.tif")
    assert labels.n_frames == len(movie)
    assert labels.calibration.pixel_size_yx == pytest.approx((0.65, 0.65))
    assert labels.calibration.time_interval == 300
    assert set(np.unique(labels[0])) == set(np.unique(truth[0]))
    assert (truth[0] == labels[0])[labels[0] > 0].mean() > 0.99  # discs inside of the nuclei


def test_the_demo_tells_a_command_that_gives_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["demo", "-o", "demo"])
    command = capsys.readouterr().err.partition("the same by hand: napari-sam2 ")[2]
    assert main(command.split()) == 0
    again = np.stack(list(read_movie(tmp_path / "movie_labels.tif")))
    np.testing.assert_array_equal(again, np.stack(list(read_movie(tmp_path / "demo/labels.tif"))))


def test_a_movie_of_ones_own(tmp_path):
    movie, _ = dividing_nuclei_with_truth()
    np.save(tmp_path / "mine.npy", movie[:3])
    assert main(["demo", str(tmp_path / "mine.npy"), "-o", str(tmp_path / "demo")]) == 0
    found = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert found == ["labels.tif", "outlines.png", "prompts.csv"]


def test_clicks_fall_into_the_cells():
    movie, truth = dividing_nuclei_with_truth()
    for frame in (0, 7, 20):
        places = bright_cells(movie[frame])
        hit = truth[frame][tuple(places.T)]
        assert len(np.unique(hit)) == len(hit) == len(np.unique(truth[frame])) - 1
        assert 0 not in hit


def test_touching_cells_are_told_apart():
    y, x = np.ogrid[:80, :120]
    cells = ((y - 40) ** 2 + (x - 40) ** 2 < 15**2) | ((y - 40) ** 2 + (x - 68) ** 2 < 15**2)
    places = bright_cells(cells * 100.0)
    assert sorted(abs(p - q) < 4 for p, q in zip(sorted(places[:, 1]), (40, 68), strict=True))
    assert len(places) == 2


def test_nothing_bright():
    assert len(bright_cells(np.zeros((40, 60)))) == 0
    assert len(bright_cells(np.full((40, 60, 3), 7, np.uint8))) == 0


def test_files_of_others_in_the_folder_are_kept(tmp_path, capsys):
    movie, _ = dividing_nuclei_with_truth()
    np.save(tmp_path / "mine.npy", movie[:3])
    (tmp_path / "prompts.csv").write_text("mine")
    command = ["demo", str(tmp_path / "mine.npy"), "-o", str(tmp_path)]
    assert main(command) == 2
    assert "prompts.csv: expected nothing, or a file that napari-sam2" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.npy", "prompts.csv"]
    assert main([*command, "--overwrite"]) == 0
