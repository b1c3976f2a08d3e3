import numpy as np
import pytest

from napari_sam2.io.tracks.label_movies import add_labels
from napari_sam2.masks.masklets import Masklets


def test_negative_labels_are_refused_rather_than_dropped():
    labels = np.zeros((30, 50), np.int16)
    labels[3:6, 4:9], labels[20:, 40:] = 7, -3
    with pytest.raises(ValueError, match=r"object ids: expected 1\.\.4294967295 .*, found -3"):
        add_labels(Masklets(2, (30, 50)), 1, labels)
