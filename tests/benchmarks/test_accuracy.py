"""The accuracy benchmark on a small folder, with the embedded network."""

import json

import numpy as np
import pytest

from sam2_torch import Depth, load_sam2


@pytest.fixture
def folder(tmp_path):
    y, x = np.mgrid[:96, :128]
    labels = ((y - 40) ** 2 + (x - 60) ** 2 < 400).astype(np.uint16)
    image = (40 + 150 * labels + np.random.default_rng(0).normal(0, 10, labels.shape)).astype("u1")
    np.savez(tmp_path / "still.npz", image=image, labels=labels)
    np.savez(tmp_path / "movie.npz", image=np.stack([image] * 3), labels=np.stack([labels] * 3))
    (tmp_path / "manifest.csv").write_text(
        "file,kind,modality\nstill.npz,2d,bright discs (a lab)\nmovie.npz,time,bright discs\n"
    )
    return tmp_path


def test_an_easy_disc_is_found_by_every_prompt(folder, tmp_path, capsys):
    import accuracy

    scores = accuracy.measure(load_sam2("cells_nano", "cpu"), folder)
    accuracy.report(scores, tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    kinds = ["image.click", "image.3clicks", "image.box"]
    kinds += ["sequence.click", "sequence.box", "sequence.mask"]
    wanted = {f"{kind}.{figure}" for kind in kinds for figure in ("miou", "sa50", "msa")}
    assert wanted < figures.keys()
    assert all(figures[f"{kind}.miou.bright_discs"] > 0.8 for kind in kinds)
    assert figures["image.clicks_to_85"] == 1
    assert "image.clicks_to_85" in capsys.readouterr().out


def test_items_are_chosen_by_name(folder):
    import accuracy

    scores = accuracy.measure(load_sam2("cells_nano", "cpu"), folder, count=False, only="st?ll")
    assert {key.partition(".")[0] for key in scores} == {"image"}


def test_segmentation_accuracy_counts_a_poor_mask_twice():
    from accuracy import segmentation_accuracies

    at_thresholds = segmentation_accuracies([0.5, 0.72, 0.0, 1.0])
    assert at_thresholds[0] == pytest.approx(3 / 5)  # one mask and its object are missed
    assert at_thresholds[1:5] == pytest.approx([2 / 6] * 4)
    assert at_thresholds[5:] == pytest.approx([1 / 7] * 5)


def test_stacks_are_measured_as_the_plugin_takes_them(folder, monkeypatch):
    import accuracy

    seen = []

    def noted(*_, depth):
        seen.append(depth)
        yield "click", 1.0

    monkeypatch.setattr(accuracy, "measure_sequence", noted)
    with open(folder / "manifest.csv", "a") as manifest:
        manifest.write("movie.npz,z,bright discs\n")
    accuracy.measure(load_sam2("cells_nano", "cpu"), folder, count=False)
    assert seen == [None, Depth()]
