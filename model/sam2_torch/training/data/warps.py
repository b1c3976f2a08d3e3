"""Smooth deformations of a whole image: zoom, rotation, shear and elastic bending.

All coordinates are unit coordinates of the crop, -1 to 1, (x, y), as
`torch.nn.functional.grid_sample` needs them.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT, MAX_TURN, MAX_ZOOM, MAX_SHEAR = 0.25, 0.4, 0.25, 0.15
MAX_BEND = 0.06  # in half sides of the crop
BEND_NODES = (3, 7)  # least and most nodes of the elastic grid, along each side


@dataclass(frozen=True)
class Warp:
    """Source of each output pixel in each frame.

    Parameters
    ----------
    affine
        (T, 2, 3) matrices, output to crop.
    bend
        (T, 2, n, n) displacements at the nodes of a grid, x and y.
    """

    affine: Tensor
    bend: Tensor

    def grid(self, frame: int, shape: tuple[int, int]) -> Tensor:
        """Return the source places of a frame, (1, H, W, 2)."""
        grid = F.affine_grid(self.affine[frame : frame + 1], [1, 1, *shape], align_corners=False)
        bend = F.interpolate(
            self.bend[frame : frame + 1], size=shape, mode="bicubic", align_corners=True
        )
        return grid + bend.permute(0, 2, 3, 1)


def draw_warp(rng: np.random.Generator, n_frames: int, speed: float) -> Warp:
    """Draw a pose (flips, quarter turns, a small rotation and zoom) and a motion from there.

    Parameters
    ----------
    rng
        Random numbers.
    n_frames
        Length of the clip.
    speed
        How much the pose changes along the clip: 0 for not at all, 1 for the range of still images.
    """
    steps = _path(rng, n_frames, 6) * speed  # (T, 6), 0 in the first frame
    turn = rng.normal(0, 0.1) + steps[:, 0] * MAX_TURN
    zoom = np.exp(rng.normal(0, 0.08) + steps[:, 1] * MAX_ZOOM)
    shear = rng.normal(0, 0.05) + steps[:, 2] * MAX_SHEAR
    shift = steps[:, 3:5] * MAX_SHIFT
    quarter = rng.integers(4) * np.pi / 2
    flip = -1.0 if rng.random() < 0.5 else 1.0
    sin, cos = np.sin(turn + quarter), np.cos(turn + quarter)
    affine = np.empty((n_frames, 2, 3), np.float32)
    affine[:, 0] = np.stack((flip * cos * zoom, -sin * zoom + shear, shift[:, 0]), axis=1)
    affine[:, 1] = np.stack((flip * sin * zoom, cos * zoom, shift[:, 1]), axis=1)
    nodes = int(rng.integers(BEND_NODES[0], BEND_NODES[1] + 1))
    amplitude = rng.uniform(0.2, 1) * MAX_BEND / np.sqrt(nodes)
    still, moving = rng.normal(0, amplitude, (2, 1, 2, nodes, nodes))
    growth = (0.5 * still + steps[:, 5, None, None, None] * moving).astype(np.float32)
    return Warp(torch.from_numpy(affine), torch.from_numpy(growth))


def _path(rng: np.random.Generator, n_frames: int, n: int) -> np.ndarray:
    """Draw n smooth curves over the frames, (T, n), from 0 to at most about 1."""
    t = np.linspace(0, 1, n_frames)[:, None] if n_frames > 1 else np.zeros((1, 1))
    towards, swing = rng.normal(0, 0.4, (2, 1, n))
    return towards * t + swing * np.sin(np.pi * t * rng.uniform(0.5, 2, (1, n)))
