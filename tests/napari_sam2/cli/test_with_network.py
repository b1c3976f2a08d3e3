"""The command line with the embedded network, on a small part of the synthetic movie."""

import argparse
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from huggingface_hub import constants

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import SETTINGS_KEY, Action, History, Key, Kind
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.api import prompted
from napari_sam2.cli import main, track
from napari_sam2.cli.options import add_appearance, appearance_of
from napari_sam2.io.prompts.label_prompts import clicks_from_labels
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import write_prompts_csv
from napari_sam2.io.read import read_movie
from napari_sam2.io.sessions.session_files import Fingerprint, Header, write_session
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance
from napari_sam2.sample_data import dividing_nuclei_with_truth
from sam2_torch import RELEASED, BoxPrompt

NUCLEI = (2, 6, 8)


@pytest.fixture
def truth(tmp_path, monkeypatch):
    """Labels of three nuclei in three frames; their movie and prompts lie in the folder."""
    monkeypatch.chdir(tmp_path)
    movie, labels = (array[:3, 60:, 100:] for array in dividing_nuclei_with_truth())
    np.save("movie.npy", movie)
    labels = np.where(np.isin(labels, NUCLEI), labels, 0)
    assert set(np.unique(labels[0])) == {0, *NUCLEI}
    write_prompts_csv(tmp_path / "clicks.csv", clicks_from_labels(labels[0]))
    boxes = [
        (i, *np.argwhere(labels[2] == i).min(0), *np.argwhere(labels[2] == i).max(0))
        for i in NUCLEI
    ]
    prompts = [
        ObjectPrompts(i, 2, (BoxPrompt(y0 - 0.5, x0 - 0.5, y1 + 0.5, x1 + 0.5),))
        for i, y0, x0, y1, x1 in boxes
    ]
    write_prompts_csv(tmp_path / "boxes.csv", prompts)
    return labels


def mean_iou(labels, truth):
    scores = [
        ((frame == i) & (really == i)).sum() / ((frame == i) | (really == i)).sum()
        for frame, really in zip(labels, truth, strict=True)
        for i in NUCLEI
    ]
    return np.mean(scores)


@pytest.mark.parametrize("prompts", ["clicks.csv", "boxes.csv"])
def test_track(truth, prompts):
    assert main(f"track movie.npy --prompts {prompts} -o labels.tif --device cpu".split()) == 0
    assert mean_iou(read_movie("labels.tif"), truth) > 0.8


def test_segment(truth):
    assert main("segment movie.npy --prompts clicks.csv -o labels.tif --device cpu".split()) == 0
    labels = list(read_movie("labels.tif"))
    assert mean_iou(labels[:1], truth[:1]) > 0.8
    assert not np.any(labels[1:])


def test_a_mask_in_the_middle_runs_both_ways(truth):
    np.save("given.npy", np.where(np.arange(3)[:, None, None] == 1, truth, 0))
    assert main("track movie.npy --prompts given.npy -o labels.tif --device cpu".split()) == 0
    labels = list(read_movie("labels.tif"))
    assert mean_iou(labels, truth) > 0.8
    np.testing.assert_array_equal(labels[1], truth[1])


def test_a_session_is_replayed_on_the_same_movie_and_on_another_one(truth, tmp_path, caplog):
    movie = read_movie("movie.npy")
    history = History(99, (999, 999))
    for said in clicks_from_labels(truth[0]):
        (clicks,) = said.prompts
        drawn = DrawnPrompts(tuple((float(y), float(x), 1) for y, x in clicks.points_yx))
        history.record(Action.PROMPT, {Key(Kind.PROMPTS, said.object_id, 0): drawn})
    header = Header(Fingerprint.of(movie, "movie"), "cells_nano", datetime.now(UTC), "tests")
    write_session(tmp_path / "session.jsonl", header, history.entries)
    assert main("track movie.npy --prompts session.jsonl -o labels.tif --device cpu".split()) == 0
    assert mean_iou(read_movie("labels.tif"), truth) > 0.8
    assert "another image" not in caplog.text
    np.save("brighter.npy", np.load("movie.npy") + 7)
    command = "track brighter.npy --prompts session.jsonl -o other.tif --device cpu"
    assert main(command.split()) == 0
    assert mean_iou(read_movie("other.tif"), truth) > 0.8
    assert "another image, movie: it has the same size, but other pixels" in caplog.text


def test_a_session_is_replayed_as_it_was_seen(truth, tmp_path, monkeypatch, capsys):
    seen = []

    def segment(network, movie, prompts, **how):
        seen.append(how["appearance"])
        return Masklets(movie.n_frames, movie.frame_shape)

    monkeypatch.setattr(prompted, "segment", segment)
    history = History(99, (999, 999))
    look = {"contrast": (5.0, 900.0), "gamma": 0.5, "resolution": 2.0}
    settings = Settings("cells_nano", "float32", channels=(1,), **look)
    history.note(Action.SETTINGS, "", {SETTINGS_KEY: settings})
    history.record(Action.PROMPT, {Key(Kind.PROMPTS, 1, 0): DrawnPrompts(((9, 9, 1),))})
    image = Fingerprint.of(list(np.load("movie.npy")), "m")
    header = Header(image, "other", datetime.now(UTC), "tests")
    write_session(tmp_path / "session.jsonl", header, history.entries)
    command = "segment movie.npy --prompts session.jsonl --device cpu"
    assert main(f"{command} -o as_it_was.tif".split()) == 0
    assert "model cells_nano on cpu in float32" in capsys.readouterr().err
    assert seen == [Appearance(**look)]
    usual = "--gamma 1 --resolution auto --contrast auto"
    for number, (options, wanted) in enumerate(
        (
            ("--gamma 2", look | {"gamma": 2.0}),
            ("--gamma 1", look | {"gamma": 1.0}),
            ("--resolution auto", look | {"resolution": "auto"}),
            ("--contrast auto", look | {"contrast": None}),
            ("--contrast-per-frame", look | {"per_frame": True}),
            (usual, {}),
        )
    ):
        assert main(f"{command} -o other{number}.tif {options}".split()) == 0
        assert seen.pop() == Appearance(**wanted), options


def test_a_session_seen_frame_by_frame_takes_other_options():
    session = Appearance(gamma=0.5, per_frame=True)
    parser = argparse.ArgumentParser()
    add_appearance(parser)
    for options, wanted in (
        ("", session),
        ("--contrast 5:900", Appearance((5, 900), 0.5)),
        ("--contrast auto", Appearance(gamma=0.5)),
        ("--no-contrast-per-frame --gamma 1", Appearance()),
    ):
        assert appearance_of(parser.parse_args(options.split()), session) == wanted


@pytest.mark.parametrize(
    ("options", "session", "loaded"),
    [
        ([], ("sam2.1_hiera_tiny", "float32"), ("sam2.1_hiera_tiny", "float32")),
        ([], ("sam2.1_hiera_tiny", "bfloat16"), ("sam2.1_hiera_tiny", "auto")),
        (["--precision", "auto"], ("sam2.1_hiera_tiny", "float32"), ("sam2.1_hiera_tiny", "auto")),
        (["--model", "cells_nano"], ("sam2.1_hiera_tiny", "float32"), ("cells_nano", "auto")),
        (["--precision", "float32"], ("", ""), ("cells_nano", "float32")),
    ],
)
def test_the_network_of_a_session_or_of_the_options(
    truth, tmp_path, monkeypatch, options, session, loaded
):
    asked = []

    def load(chosen):
        asked.append((chosen.model, chosen.precision))
        raise FileNotFoundError("expected a network, found none: it is not needed here")

    monkeypatch.setattr(track, "load_model", load)
    history = History(99, (999, 999))
    history.note(Action.SETTINGS, "", {SETTINGS_KEY: Settings(*session)})
    history.record(Action.PROMPT, {Key(Kind.PROMPTS, 1, 0): DrawnPrompts(((9, 9, 1),))})
    image = Fingerprint.of(list(np.load("movie.npy")), "m")
    write_session(
        tmp_path / "session.jsonl", Header(image, "", datetime.now(UTC), "tests"), history.entries
    )
    main(["track", "movie.npy", "--prompts", "session.jsonl", "-o", "o.tif", *options])
    assert asked == [loaded]


def test_an_unknown_model_is_said(truth, capsys):
    assert main("track movie.npy --prompts clicks.csv -o o.tif --model cels_nano".split()) == 2
    said = capsys.readouterr().err
    assert "expected" in said
    assert "cells_nano" in said
    assert main("track movie.npy --prompts clicks.csv -o o.tif --device cuda:99".split()) == 2
    assert "is not there" in capsys.readouterr().err


def test_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert main(["doctor", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "cells_nano.safetensors (17 MB)" in said
    assert "would use cpu, as given by --device" in said
    assert re.search(r"cpu: \d+ cores, \w+", said)
    assert "cells_nano: embedded, 17 MB, speed not measured" in said
    assert re.search(f"not downloaded: hvit_t_cells, .*{', '.join(RELEASED)}", said)
    assert re.search(r"\d m?s an image, .* a click, .* on cpu in \w+\n", said)
    assert said.endswith("tracking works\n")
    # what was measured is remembered
    assert main(["models", "list", "cells_nano"]) == 0
    assert "and frame on cpu" in capsys.readouterr().out


def test_speed_of_a_model(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    assert main(["models", "speed", "cells_nano", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"cells_nano: .* an image, .* a click, .* on cpu in \w+ \(\d+ cores\)\n", said
    )
    assert main(["models", "speed", "cells_nano", "--device", "warp"]) == 2
    assert "expected auto, cuda, cuda:1, mps or cpu" in capsys.readouterr().err


def test_doctor_says_what_is_missing(capsys, monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError("cells_nano.safetensors is not there")

    monkeypatch.setattr("sam2_torch.checkpoints.loading.load_sam2", fail)
    found = "napari_sam2.cli.doctor._version"
    monkeypatch.setattr(found, lambda name: None if name in ("tqdm", "napari") else "1.0")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "cells_nano.safetensors is not there" in said
    assert "tqdm: pip install tqdm" in said
    assert (
        'napari: the command line works without; for the widget: pip install "napari[all]"' in said
    )
    assert said.endswith("tracking does not work: see above\n")
