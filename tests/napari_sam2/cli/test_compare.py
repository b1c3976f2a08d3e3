"""`napari-sam2 compare`: which model suits these images."""

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from tests.tiny_network import TINY

from napari_sam2.cli import main
from sam2_torch import SAM2
from sam2_torch.checkpoints.loading import save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An image with a bright disc, clicked; its label; a model with random weights."""
    folder = tmp_path_factory.mktemp("compare")
    y, x = np.mgrid[:90, :140]
    disc = (y - 40) ** 2 + (x - 80) ** 2 < 20**2
    image = (500 + 3000 * disc).astype(np.uint16)
    tifffile.imwrite(folder / "in.tif", image)
    tifffile.imwrite(folder / "truth.tif", 7 * disc.astype(np.uint16))
    tifffile.imwrite(folder / "other.tif", 3 * disc.astype(np.uint16))
    (folder / "p.csv").write_text("object,frame,kind,y,x,label,y1,x1\n7,0,point,40,80,1,,\n")
    torch.manual_seed(0)
    save_checkpoint(SAM2(TINY), folder / "random.safetensors")
    return folder


def compare(folder, *more):
    models = ["--models", "cells_nano", str(folder / "random.safetensors"), "--device", "cpu"]
    return main(
        ["compare", str(folder / "in.tif"), "--prompts", str(folder / "p.csv"), *models, *more]
    )


def test_models_are_compared_by_time_accuracy_and_picture(folder, capsys):
    picture = folder / "out.png"
    assert compare(folder, "--labels", str(folder / "truth.tif"), "-o", str(picture)) == 0
    header, nano, random, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["model", "s", "per", "frame", "objects", "mean", "IoU"]
    assert nano.split()[0] == "cells_nano" and nano.split()[2] == "1"
    assert float(nano.split()[-1]) > 0.9 > float(random.split()[-1])
    assert last == str(picture)
    with Image.open(picture) as drawn:
        assert drawn.width > 2 * drawn.height * 140 / 90 * 0.9  # one beside the other


def test_without_labels_there_is_no_accuracy(folder, capsys):
    assert compare(folder) == 0
    assert "IoU" not in capsys.readouterr().out


def test_labels_of_other_objects_are_refused_before_any_model(folder, capsys):
    assert compare(folder, "--labels", str(folder / "other.tif")) == 2
    assert "expected some of the prompted objects" in capsys.readouterr().err


def test_another_picture_format_is_refused(folder, capsys):
    assert compare(folder, "-o", str(folder / "out.tif")) == 2
    assert "expected a file that ends in .png" in capsys.readouterr().err
