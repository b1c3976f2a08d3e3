"""What the benchmark of objects without prompts counts."""

import json

import automatic
import numpy as np
import pytest


def test_precision_counts_matches_misses_and_surplus():
    truth = np.zeros((20, 30), int)
    truth[0:10, 0:10], truth[0:10, 15:25] = 1, 2
    found = np.zeros((20, 30), int)
    found[0:10, 0:9] = 5  # IoU 0.9
    found[0:6, 15:25] = 6  # IoU 0.6
    found[15:18, 0:5] = 7  # nothing there
    figures = automatic.precision(found, truth)
    assert figures == pytest.approx({"ap50": 2 / 3, "ap75": 1 / 4, "msa": (2 * 2 / 3 + 6 / 4) / 10})
    assert automatic.precision(truth, truth) == {"ap50": 1, "ap75": 1, "msa": 1}
    assert automatic.precision(np.zeros_like(truth), truth) == {"ap50": 0, "ap75": 0, "msa": 0}


def test_otsu_and_watershed_find_discs_bright_or_dark():
    y, x = np.mgrid[:60, :90]
    truth = 1 * ((y - 20) ** 2 + (x - 20) ** 2 < 100) + 2 * ((y - 40) ** 2 + (x - 60) ** 2 < 144)
    image = np.where(truth > 0, 200, 30).astype(np.uint8)
    assert automatic.precision(automatic.otsu_watershed(image), truth)["ap50"] == 1
    assert automatic.precision(automatic.otsu_watershed(255 - image), truth)["ap50"] == 1


def test_modalities_count_alike():
    figures = {"m.ap50.a.item.x": 1.0, "m.ap50.a.item.y": 0.5, "m.ap50.b.item.z": 0.25}
    means = automatic.means_of(figures | {"m.score0.5.ap50.a.item.x": 0.4, "m.decoder_s": 3.0})
    assert means["m.ap50.a"] == 0.75 and means["m.ap50"] == 0.5
    assert means["m.score0.5.ap50"] == 0.4 and means["m.decoder_s"] == 3.0


@pytest.fixture
def folder(tmp_path):
    y, x = np.mgrid[:64, :96]
    labels = ((y - 30) ** 2 + (x - 40) ** 2 < 200).astype(np.uint16)
    image = (30 + 150 * labels).astype(np.uint8)
    for name in ("one", "two"):
        np.savez(tmp_path / f"{name}.npz", image=image, labels=labels)
    (tmp_path / "manifest.csv").write_text("file,kind,modality\none.npz,2d,discs\n")
    return tmp_path


def test_a_measurement_goes_on_where_it_was_stopped(folder, capsys):
    file = folder / "figures.json"
    command = ["--data", str(folder), "--parts", "images", "--json", str(file), "--resume"]
    command += ["--grid", "4", "--crops", "0"]
    automatic.main(command)
    figures = json.loads(file.read_text())
    assert figures["cells_nano.ap50.discs.item.one"] == figures["cells_nano.ap50"] > 0
    figures["cells_nano.ap50.discs.item.one"] = 0.125  # it is kept, not measured again
    file.write_text(json.dumps(figures))
    with open(folder / "manifest.csv", "a") as manifest:
        manifest.write("two.npz,2d,discs\n")
    automatic.main([*command, "--seconds", "0"])
    assert "1 of 1 jobs are left" in capsys.readouterr().err
    automatic.main(command)
    figures = json.loads(file.read_text())
    mean = (0.125 + figures["cells_nano.ap50.discs.item.two"]) / 2
    assert figures["cells_nano.ap50"] == figures["cells_nano.ap50.discs"] == mean != 0.125
    assert "left" not in capsys.readouterr().err.replace("left out", "")
