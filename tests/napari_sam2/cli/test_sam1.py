"""The command line with a SAM 1 network."""

import numpy as np
import pytest
import tifffile
import torch

from napari_sam2.cli import main
from sam2_torch.config import SAM1_NETWORKS
from sam2_torch.sam1.sam1 import SAM1


@pytest.mark.slow
def test_images_are_segmented_and_movies_tracked(tmp_path):
    torch.manual_seed(0)
    torch.save(SAM1(SAM1_NETWORKS["vit_t"]).state_dict(), tmp_path / "vit_t.pt")
    tifffile.imwrite(
        tmp_path / "in.tif", np.full((2, 60, 80), 7, np.uint16), photometric="minisblack"
    )
    (tmp_path / "p.csv").write_text("object,frame,kind,y,x,label,y1,x1\n3,1,box,10,20,,40,60\n")
    words = [str(tmp_path / "in.tif"), "--prompts", str(tmp_path / "p.csv")]
    words += ["--model", str(tmp_path / "vit_t.pt"), "--device", "cpu", "-o"]
    assert main(["segment", *words, str(tmp_path / "out.tif")]) == 0
    labels = tifffile.imread(tmp_path / "out.tif")
    assert labels.shape == (2, 60, 80) and not labels[0].any() and set(np.unique(labels)) <= {0, 3}
    assert main(["track", *words, str(tmp_path / "tracked.tif")]) == 0
    assert tifffile.imread(tmp_path / "tracked.tif").shape == (2, 60, 80)
