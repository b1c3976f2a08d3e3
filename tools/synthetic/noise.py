"""Smooth random textures."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

Image = NDArray[np.float32]

TILE = 256


def smooth_noise(rng: Generator, shape: tuple[int, int], grain_px: float) -> Image:
    """Draw noise of mean 0 and standard deviation 1, smooth over `grain_px`, (H, W) float32."""
    step = max(1, int(grain_px // 2))  # coarse noise needs few nodes
    nodes = [n // step + 4 for n in shape]
    coarse = rng.standard_normal(nodes, np.float32)
    coarse = gaussian_filter(coarse, max(grain_px / step / 2, 0.4), mode="wrap")
    if step > 1:
        coarse = zoom(coarse, step, order=1)
    noise = coarse[: shape[0], : shape[1]]
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), np.float32)


class Texture:
    """A tile of noise that moves with objects; each one shows a part of its own.

    Parameters
    ----------
    rng
        Random numbers.
    grain_px
        Size of its grains.
    contrast
        Deviation from 1.
    """

    def __init__(self, rng: Generator, grain_px: float, contrast: float) -> None:
        fine = smooth_noise(rng, (TILE, TILE), max(1.0, grain_px / 3))
        coarse = smooth_noise(rng, (TILE, TILE), grain_px)
        self._tile = np.maximum(1 + contrast * (0.8 * coarse + 0.6 * fine), 0.05)

    def at(self, v: Image, u: Image, offset: tuple[int, int]) -> Image:
        """Return the texture at places in an object's own coordinates, in pixels."""
        rows = (v.astype(np.int32) + offset[0]) % TILE
        columns = (u.astype(np.int32) + offset[1]) % TILE
        return np.asarray(self._tile[rows, columns], np.float32)
