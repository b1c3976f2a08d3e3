"""What every implementation is asked to do, on which movie and with which weights."""

import sys
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch import CELLS_NANO, RELEASED, SAM2, SAM2Config

# the deterministic weights and the builders of the `sam2` package are those of the parity tests
sys.path.append(str(Path(__file__).parents[2] / "tests" / "parity"))

MODELS = {"tiny": RELEASED["sam2.1_hiera_tiny"], "cells_nano": CELLS_NANO}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OBJECT_SCORE_BIAS = 20.0  # random weights score near 0: every object is to be there
LARGEST_RADIUS = 0.05  # of the frame's side: a disc covers less than 1 % of it
PATH_FRAMES = 16  # after so many frames the movie is where it began


class FrameMasks(Protocol):
    """All objects' masks in one frame, on the host."""

    @property
    def frame(self) -> int: ...

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(N, H, W)."""
        ...


Masklets: TypeAlias = Generator[FrameMasks, None, None]
"""Frame by frame; closing it stops the propagation."""


class DenseMasks(NamedTuple):
    """Masks as the references give them."""

    frame: int
    masks: NDArray[np.bool_]


class Movie(Sequence[NDArray[np.uint8]]):
    """Bright discs on noise that drift together; any length, (S, S) uint8 frames.

    Parameters
    ----------
    n_frames
        How many frames.
    size
        Side of the frames: the network's input, so that nobody resizes.
    n_objects
        How many discs, on a square grid.
    """

    def __init__(self, n_frames: int, size: int, n_objects: int) -> None:
        self.n_frames, self.size, self.n_objects = n_frames, size, n_objects
        self._grid = ceil(sqrt(n_objects))
        self.radius = size * min(LARGEST_RADIUS, 0.3 / self._grid)

    def __len__(self) -> int:
        return self.n_frames

    def __getitem__(self, frame: int) -> NDArray[np.uint8]:  # type: ignore[override]
        if not 0 <= frame < self.n_frames:
            raise IndexError(frame)
        return self._path[frame % PATH_FRAMES]

    def centre_yx(self, index: int) -> tuple[float, float]:
        """Locate a disc in frame 0."""
        row, column = divmod(index, self._grid)
        return (row + 0.5) * self.size / self._grid, (column + 0.5) * self.size / self._grid

    def box_yx(self, index: int) -> tuple[float, float, float, float]:
        """Draw the box of a disc in frame 0: first and last row and column."""
        (y, x), r = self.centre_yx(index), self.radius
        return y - r, x - r, y + r, x + r

    @cached_property
    def _path(self) -> list[NDArray[np.uint8]]:
        noise = np.random.default_rng(0).normal(60, 15, (self.size, self.size))
        y, x = np.mgrid[: self.size, : self.size]
        for index in range(self.n_objects):
            centre = self.centre_yx(index)
            noise += 90 * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < self.radius**2)
        image = noise.clip(0, 255).astype(np.uint8)
        turns = np.arange(PATH_FRAMES) / PATH_FRAMES * 2 * np.pi
        reach = self.radius / 4
        shifts = [(round(reach * np.sin(t)), round(reach * (1 - np.cos(t)))) for t in turns]
        return [np.roll(image, shift, (0, 1)) for shift in shifts]


@dataclass(frozen=True)
class Setting:
    """What is the same for all sides of a comparison.

    Parameters
    ----------
    model
        "tiny" or "cells_nano": a key of `MODELS`.
    device
        Where all run.
    dtype
        float32, or bfloat16 (the `sam2` package: autocast; the others: weights, too).
    """

    model: str
    device: torch.device
    dtype: torch.dtype

    @property
    def name(self) -> str:
        """Begins the figures' keys."""
        return self.model

    @property
    def config(self) -> SAM2Config:
        """Sizes of the network."""
        return MODELS[self.model]

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights, by the names of Meta's checkpoints; float32 on the host."""
        from reference import fix_weights

        network = SAM2(self.config)
        fix_weights(network)
        bias = network.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
        bias.data += OBJECT_SCORE_BIAS
        return {name: tensor.detach() for name, tensor in network.state_dict().items()}

    def movie(self, n_frames: int, n_objects: int) -> Movie:
        """Make the movie in the network's size."""
        return Movie(n_frames, self.config.image_size, n_objects)

    def normalised(self, frame: NDArray[np.uint8]) -> Tensor:
        """Bring a frame to the device as the references keep it, (3, S, S) float32."""
        image = torch.from_numpy(frame).to(self.device).float() / 255
        mean, std = (torch.tensor(one, device=self.device)[:, None, None] for one in (MEAN, STD))
        return (image - mean) / std


class Tracking(Protocol):
    """One movie with its objects in one implementation."""

    def prompt(self) -> None:
        """Draw the box of each object in frame 0."""

    def propagate(self) -> Masklets:
        """Follow all objects from frame 0 on; each frame's masks arrive on the host."""
        ...

    def click(self, point_yx: tuple[float, float]) -> object:
        """Forget all objects, click at one in frame 0, and get its mask on the host."""
        ...

    def correct(self, index: int, frame: int) -> Masklets:
        """Click at an object in a tracked frame, and follow it anew to the end."""
        ...


class Side(Protocol):
    """One implementation with the weights of a setting."""

    def precision(self) -> AbstractContextManager[object]:
        """Give the context in which the side is to run."""
        ...

    def encode(self, images: Tensor) -> object:
        """Encode (B, 3, S, S) normalised images of the device."""
        ...

    def open(self, movie: Movie) -> Tracking:
        """Start with a movie."""
        ...
