"""`napari-sam2 auto` with the embedded network, on a part of the synthetic movie."""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_clip import save_tiny_clip

from napari_sam2.cli import main
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.read import read_movie
from napari_sam2.movies.movie import Calibration
from napari_sam2.sample_data import dividing_nuclei_with_truth

QUICK = "--points 9 --crops 0 --device cpu --precision float32"
UM = 0.5  # per pixel


@pytest.fixture
def truth(tmp_path, monkeypatch):
    """Labels of three frames; `movie.tif` in the folder is calibrated."""
    monkeypatch.chdir(tmp_path)
    movie, labels = (array[:3, 60:, 100:] for array in dividing_nuclei_with_truth())
    write_tiff(tmp_path / "movie.tif", movie, movie.shape, "TYX", Calibration((UM, UM), "um"))
    return labels


def recall(found, really):
    """Find the share of the true objects that some found one matches."""
    ids = np.unique(really)[1:]
    hits = 0
    for i in ids:
        overlap = np.bincount(found[really == i])
        overlap[0] = 0
        j = overlap.argmax()
        hits += overlap[j] > 0.5 * ((found == j) | (really == i)).sum() if overlap[j] else 0
    return hits / len(ids)


def test_every_frame_on_its_own(truth, capsys):
    assert (
        main(f"auto movie.tif -o labels.tif --by grid --frames 0:2 --scores {QUICK}".split()) == 0
    )
    labels = read_movie("labels.tif")
    assert labels.calibration.pixel_size_yx == (UM, UM)
    assert recall(labels[0], truth[0]) > 0.6 and recall(labels[1], truth[1]) > 0.6
    assert not labels[2].any()
    rows = list(csv.DictReader(Path("labels.scores.csv").read_text().splitlines()))
    assert len(rows) == labels[0].max() + labels[1].max()
    assert all(0.35 <= float(row["score"]) <= 1 for row in rows)
    assert f"{len(rows)} objects in 3 frames" in capsys.readouterr().out


def test_track(truth):
    command = f"auto movie.tif -o labels.tif --track --every 2 --scores {QUICK}"
    assert main(command.split()) == 0
    labels = list(read_movie("labels.tif"))
    assert recall(labels[0], truth[0]) > 0.6 and recall(labels[2], truth[2]) > 0.6
    for i in np.unique(truth[0])[1:]:  # a nucleus that is found keeps its number
        numbers = [np.bincount(labels[t][truth[t] == i]).argmax() for t in (0, 2)]
        assert 0 in numbers or numbers[0] == numbers[1]
    columns = next(csv.reader(Path("labels.divisions.csv").read_text().splitlines()))
    assert columns == ["frame", "mother", "daughter1", "daughter2", "score"]


def test_objects_are_chosen_by_words(truth, tmp_path, capsys):
    pytest.importorskip("transformers")
    model = save_tiny_clip(tmp_path / "clip")
    options = f"{QUICK} --frames 0:1 --words nucleus,dust --text-model {model}".split()
    counts = {}
    for least in ("0", "1"):
        output = tmp_path / f"{least}.tif"
        command = ["auto", "movie.tif", "-o", str(output), *options, "--min-similarity", least]
        assert main(command) == 0
        counts[least] = len(np.unique(read_movie(output)[0])) - 1
    assert counts["0"] >= 3 and counts["1"] == 0
    capsys.readouterr()
    assert main(["auto", "movie.tif", "-o", "t.tif", *options, "--track"]) == 2
    assert "found --track" in capsys.readouterr().err


def test_diameters_are_calibrated(truth):
    command = f"auto movie.tif -o labels.tif --frames 0:1 --diameter 12: {QUICK}"
    assert main(command.split()) == 0
    areas = np.bincount(read_movie("labels.tif")[0].ravel())[1:]
    assert len(areas) > 0 and areas.min() >= np.pi / 4 * (12 / UM) ** 2 - 1


def test_several_inputs(truth, capsys):
    np.save("a.npy", read_movie("movie.tif")[0])
    np.save("b.npy", np.zeros((5, 5, 5, 5)))
    assert main(f"auto a.npy b.npy -o out {QUICK}".split()) == 1
    assert "b.npy" in capsys.readouterr().err
    assert read_movie("out/a.tif")[0].any()
    assert main(f"auto a.npy -o out/ {QUICK}".split()) == 0
    assert "skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--diameter 9:3", "area: expected a smallest below the largest"),
        ("--diameter=-3:", "diameter: expected a positive number"),
        ("--points 0", "points: expected 1 or more"),
        ("--track --every 0", "a distance and a patience of 1 or more"),
        ("--frames 2:9", "frames 2:9: expected a first frame before a last one"),
    ],
)
def test_wrong_use_is_told(truth, capsys, options, said):
    assert main(f"auto movie.tif -o labels.tif --device cpu {options}".split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--diameter 9", "--min-score 2", "--min-score x"])
def test_unreadable_options_are_told(truth, capsys, options):
    with pytest.raises(SystemExit) as exit_:
        main(f"auto movie.tif -o labels.tif {options}".split())
    assert exit_.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_a_movie_of_stacks_is_segmented_but_not_tracked(truth, capsys):
    movie = np.stack([np.asarray(read_movie("movie.tif")[t]) for t in range(2)])
    np.save("stacks.npy", np.stack([movie, movie]))  # two time points of two planes
    command = f"auto stacks.npy --axes TZYX -o labels.tif {QUICK}"
    assert main(f"{command} --track".split()) == 2
    assert "found a movie of stacks" in capsys.readouterr().err
    assert main(f"{command} --frames 1:2".split()) == 0
    labels = list(read_movie("labels.tif", "TZYX"))
    assert not labels[1].any() and labels[2].any() and labels[3].any()


def test_what_the_network_sees_is_chosen_as_for_track(truth):
    black = f"auto movie.tif -o black.tif --frames 0:1 --contrast 1e7:2e7 {QUICK}"
    assert main(black.split()) == 0
    assert recall(read_movie("black.tif")[0], truth[0]) < 0.2
    look = "--contrast-per-frame --gamma 0.8"
    assert main(f"auto movie.tif -o seen.tif --frames 0:1 {look} {QUICK}".split()) == 0
    assert recall(read_movie("seen.tif")[0], truth[0]) > 0.6
    look += " --resolution 2"  # in windows around what is followed
    follow = f"auto movie.tif -o followed.tif --frames 1:3 --track {look} {QUICK}"
    assert main(follow.split()) == 0
    followed = read_movie("followed.tif")
    assert not followed[0].any() and recall(followed[2], truth[2]) > 0.6


def test_gamma_makes_no_sense(truth, capsys):
    assert main(f"auto movie.tif -o labels.tif --gamma 0 {QUICK}".split()) != 0
    assert "gamma: expected a positive number, found 0" in capsys.readouterr().err
