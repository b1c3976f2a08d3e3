"""Draw a synthetic movie or stack of any kind with its labels."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

from sam2_torch.training.data.labelled_movies import Kind, LabelledMovie
from sam2_torch.training.synthetic import modalities
from sam2_torch.training.synthetic.bodies import Form
from sam2_torch.training.synthetic.modalities import Microscope, Shape
from sam2_torch.training.synthetic.population import Crowd
from sam2_torch.training.synthetic.tissue import Tissue

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
