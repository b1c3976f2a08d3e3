"""A tiny network, and labelled movies of moving discs."""

import numpy as np
import pytest
import torch
from tests.tiny_network import TINY

from sam2_torch import SAM2
from sam2_torch.training.data.labelled_movies import LabelledMovie


@pytest.fixture
def tiny():
    """A network that computes in milliseconds; its weights are random, and always the same."""
    torch.manual_seed(0)
    return SAM2(TINY).train()


def disc_movie(name="discs", n_frames=6, seed=0, source="a lab"):
    """Two discs, (T, 48, 72) uint16: one moves to the right, one leaves after half of the time."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :72]
    images, labels = [], []
    for t in range(n_frames):
        label = np.zeros((48, 72), np.uint16)
        label[(y - 15) ** 2 + (x - 15 - 3 * t) ** 2 < 81] = 1
        if t < n_frames / 2:
            label[(y - 34) ** 2 + (x - 50) ** 2 < 64] = 2
        images.append(500 + 3000 * (label > 0) + rng.normal(0, 100, label.shape))
        labels.append(label)
    kind = "2d" if n_frames == 1 else "time"
    stack = np.array(images).astype(np.uint16)
    return LabelledMovie(name, source, kind, "fluorescence", stack, np.array(labels))


@pytest.fixture
def movie():
    """See `disc_movie`."""
    return disc_movie()
