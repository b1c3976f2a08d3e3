"""Draw a synthetic movie or stack of any kind with its labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from sam2_torch.training.data.labelled_movies import Kind, LabelledMovie
from synthetic import modalities
from synthetic.bodies import Form
from synthetic.modalities import Microscope, Shape
from synthetic.noise import Texture, smooth_noise
from synthetic.population import Crowd, Drawing


@dataclass(frozen=True)
class Tissue:
    """Settings of a tissue.

    Parameters
    ----------
    shape
        (H, W) of the frames.
    cell_px
        Typical distance of two cells.
    bending
        How crooked the borders are, in `cell_px`.
    gaps
        Share of the cells that are missing.
    lively
        Motion of cells and borders from frame to frame, in `cell_px`.
    """

    shape: tuple[int, int]
    cell_px: float
    bending: float
    gaps: float
    lively: float

    @classmethod
    def draw(cls, rng: Generator, shape: tuple[int, int], crooked: bool) -> "Tissue":
        """Draw the settings of a tissue with straight walls, or with crooked ones as in EM."""
        return cls(
            shape,
            cell_px=min(shape) * float(np.exp(rng.uniform(np.log(0.06), np.log(0.3)))),
            bending=float(rng.uniform(0.25, 0.7) if crooked else rng.uniform(0.02, 0.2)),
            gaps=float(rng.choice([0, 0.1, 0.4])),
            lively=float(np.exp(rng.uniform(np.log(0.01), np.log(0.12)))),
        )

    def simulate(self, rng: Generator, n_frames: int) -> Iterator[Drawing]:
        """Simulate the tissue through time or depth, yielding frame by frame."""
        seeds = self._seeds(rng)
        stretch = np.exp(rng.normal(0, 0.35, 2))
        texture = Texture(rng, self.cell_px * rng.uniform(0.05, 0.3), rng.uniform(0.03, 0.25))
        offsets = rng.integers(0, 1 << 16, (len(seeds), 2))
        brightness = np.exp(rng.normal(0, 0.2, len(seeds))).astype(np.float32)
        ids = np.arange(1, len(seeds) + 1)
        ids[rng.random(len(seeds)) < self.gaps] = 0
        velocity = rng.normal(0, self.lively * self.cell_px, seeds.shape)
        flows = [smooth_noise(rng, self.shape, self.cell_px) for _ in range(4)]
        fine = [smooth_noise(rng, self.shape, self.cell_px / 3) for _ in range(2)]
        for frame in range(n_frames):
            angle = 2.5 * self.lively * frame
            places = self._bent(flows, fine, angle)
            near, which = cKDTree(seeds * stretch).query(places * stretch, k=2)
            depth = ((near[..., 1] - near[..., 0]) / 2).astype(np.float32)
            nearest = which[..., 0]
            labels = ids[nearest].astype(np.int32)
            v, u = (places[..., i] - seeds[nearest, i] for i in range(2))
            rows = v.astype(np.int32) + offsets[nearest, 0]
            columns = u.astype(np.int32) + offsets[nearest, 1]
            shine = brightness[nearest] * texture.at(rows, columns, (0, 0))
            yield Drawing(labels, depth, np.where(labels > 0, shine, 0).astype(np.float32))
            velocity = 0.9 * velocity + rng.normal(0, 0.4 * self.lively * self.cell_px, seeds.shape)
            seeds = seeds + velocity

    def _seeds(self, rng: Generator) -> np.ndarray:
        """Draw cells on a grid, displaced at random."""
        margin = 2 * self.cell_px
        axes = [np.arange(-margin, n + margin, self.cell_px) for n in self.shape]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        return grid + rng.normal(0, rng.uniform(0.12, 0.4) * self.cell_px, grid.shape)

    def _bent(self, flows: list[np.ndarray], fine: list[np.ndarray], angle: float) -> np.ndarray:
        """Return the bent places of the frame's pixels, (H, W, 2)."""
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        sin, cos = np.sin(angle), np.cos(angle)
        size = self.bending * self.cell_px
        dy = size * (cos * flows[0] + sin * flows[1]) + 0.2 * size * fine[0]
        dx = size * (cos * flows[2] + sin * flows[3]) + 0.2 * size * fine[1]
        return np.stack((y + dy, x + dx), axis=-1)


Maker: TypeAlias = Callable[[Generator, Shape], Microscope]
Scene: TypeAlias = Crowd | Tissue

SIDES_PX = (160, 384)
TISSUE_SIDES_PX = (160, 256)

_NUCLEI: tuple[Maker, ...] = (modalities.fluorescence, modalities.stained)
_CELLS: tuple[Maker, ...] = (
    modalities.fluorescence,
    modalities.membrane,
    modalities.phase_contrast,
    modalities.interference_contrast,
    modalities.bright_field,
)

KINDS: dict[str, tuple[float, Form | None, bool, tuple[Maker, ...]]] = {
    "nuclei": (0.22, "star", False, _NUCLEI),
    "cells": (0.14, "amoeba", False, _CELLS),
    "rods": (0.12, "rod", False, _CELLS),
    "yeast": (0.08, "star", False, _CELLS[1:]),
    "stack of nuclei": (0.14, "star", True, (modalities.fluorescence, modalities.membrane)),
    "tissue": (0.12, None, False, (modalities.membrane, modalities.fluorescence)),
    "neurites": (0.18, None, True, (modalities.electron,)),
}
"""By name: how often, form of the bodies (None: no gaps), whether a stack, and microscopes."""


def draw_movie(rng: Generator, n_frames: int, kind: str | None = None) -> LabelledMovie:
    """Draw a movie, a stack or (of one frame) an image; it depends on `rng` alone.

    Parameters
    ----------
    rng
        Random numbers.
    n_frames
        Length.
    kind
        One of `KINDS`; drawn if None.

    Raises
    ------
    KeyError
        If there is no such kind.
    """
    if kind is None:
        chances = np.array([entry[0] for entry in KINDS.values()])
        kind = list(KINDS)[rng.choice(len(KINDS), p=chances / chances.sum())]
    _, form, stacked, makers = KINDS[kind]
    make = makers[rng.integers(len(makers))]
    sides = SIDES_PX if form is not None else TISSUE_SIDES_PX
    side = float(np.exp(rng.uniform(*np.log(sides))))
    aspect = float(np.exp(rng.uniform(-0.3, 0.3)))
    shape = (round(side * aspect**0.5), round(side / aspect**0.5))
    scene: Scene
    if form is not None:
        scene = Crowd.draw(rng, form, shape, stacked)
    else:
        scene = Tissue.draw(rng, shape, crooked=kind == "neurites")
    show, expose = make(rng, shape), modalities.camera(rng, n_frames, shape)
    images, labels = [], []
    for frame, drawing in enumerate(scene.simulate(rng, n_frames)):
        images.append(expose(frame, show(drawing)))
        labels.append(drawing.labels)
    modality = make.__name__.replace("_", " ")
    shown: Kind = "2d" if n_frames == 1 else "z" if stacked else "time"
    return LabelledMovie(
        f"synthetic {kind}", "synthetic", shown, modality, np.stack(images), np.stack(labels)
    )
