"""Sizes of a small network, and numbers that are always the same."""

import pytest
import torch

from sam2_torch import SAM2Config


@pytest.fixture
def config():
    """A network whose attention windows do not divide its maps (16, 8, 4 and 2 tokens wide)."""
    return SAM2Config(
        image_size=64,
        embed_dim=16,
        stages=(1, 1, 2, 1),
        global_blocks=(3,),
        window_sizes=(8, 4, 3, 3),
        d_model=64,
        memory_layers=2,
        memory_feedforward=32,
        memory_dim=16,
    )


@pytest.fixture(autouse=True)
def always_the_same_numbers():
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        yield
