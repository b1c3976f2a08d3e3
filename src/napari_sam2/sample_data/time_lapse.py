"""Nuclei in culture that wander and divide, as a fluorescence time-lapse."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_sam2.sample_data.microscope import Chromatin, Image, photograph

N_FRAMES = 24
SHAPE = (192, 256)
PIXEL_UM = 0.65
INTERVAL_S = 300.0

_N_NUCLEI = 9
_DIVISIONS = {7: 2, 14: 5}  # the daughters' first frame: the mother's label
_YOUNG = 8  # frames in which a daughter grows
_BLEACHING_FRAMES = 70.0
_BUMPS = np.array([0.08, 0.05, 0.025])  # largest amplitudes of the outline's harmonics
_REACH = 28  # pixels from the centre; nothing of a nucleus is farther away


@dataclass(frozen=True)
class _Nucleus:
    """One nucleus in one frame; lengths in pixels."""

    label: int
    centre_yx: Image
    velocity_yx: Image
    radii: tuple[float, float]
    angle: float
    brightness: float
    bumps: Image  # (harmonics, 2): amplitude and phase of the outline
    chromatin: Chromatin
    age: int = 99

    def draw(self) -> tuple[tuple[slice, slice], Image, Image]:
        """Draw it: where, depth below the rim in pixels (> 0 inside), and light."""
        rows, columns = (
            np.arange(max(0, int(c) - _REACH), min(n, int(c) + _REACH))
            for c, n in zip(self.centre_yx, SHAPE, strict=True)
        )
        dy, dx = rows[:, None] - self.centre_yx[0], columns[None] - self.centre_yx[1]
        sin, cos = np.sin(self.angle), np.cos(self.angle)
        v, u = (dy * cos - dx * sin) / self.radii[0], (dy * sin + dx * cos) / self.radii[1]
        theta, rim = np.arctan2(v, u), np.ones(v.shape)
        for k, (amplitude, phase) in enumerate(self.bumps, start=2):
            rim += amplitude * np.cos(k * theta + phase)
        depth = (rim - np.hypot(v, u)) * min(self.radii)
        light = self.brightness * self.chromatin.brightness(v, u)
        where = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return where, depth, light / (1 + np.exp(-2.5 * depth.clip(-20, 20)))

    def grown(self, rng: Generator, push_yx: Image) -> "_Nucleus":
        """Get it one frame later."""
        velocity = 0.8 * self.velocity_yx + rng.normal(0, 0.65, 2)
        growth, fading = (1.06, 0.94) if self.age < _YOUNG else (1.0, 1.0)
        bumps = self.bumps + rng.normal(0, 1, self.bumps.shape) * (0.012, 0.12)
        bumps[:, 0] = bumps[:, 0].clip(-_BUMPS, _BUMPS)
        return replace(
            self,
            centre_yx=self.centre_yx + velocity + push_yx,
            velocity_yx=velocity,
            radii=(self.radii[0] * growth, self.radii[1] * growth),
            angle=self.angle + rng.normal(0, 0.04),
            brightness=self.brightness * fading,
            bumps=bumps,
            age=self.age + 1,
        )

    def condensed(self, frames_left: int) -> "_Nucleus":
        """Get it shortly before its division: round and bright, at last a narrow plate."""
        radii, gain = ((5.0, 12.0), 1.45) if frames_left == 1 else ((10.0, 11.0), 1.35)
        bumps = self.bumps * (0.3, 1)
        return replace(self, radii=radii, brightness=gain * self.brightness, bumps=bumps)

    def daughter(self, rng: Generator, label: int, side: int) -> "_Nucleus":
        """Get the daughter that leaves the plate on one side (-1 or 1)."""
        across = side * np.array([np.cos(self.angle), -np.sin(self.angle)])
        return replace(
            self,
            label=label,
            centre_yx=self.centre_yx + 8.5 * across,
            velocity_yx=2.4 * across,
            radii=(5.5, 9.5),
            brightness=0.8 * self.brightness,
            chromatin=Chromatin.draw(rng),
            age=0,
        )


def _seeded(rng: Generator) -> list[_Nucleus]:
    """Draw nuclei that keep away from each other and from the border."""
    nuclei: list[_Nucleus] = []
    distance = 46.0
    while len(nuclei) < _N_NUCLEI:
        place = rng.uniform((20, 20), np.array(SHAPE) - 20)
        distance *= 0.999  # so that it ends
        if all(np.linalg.norm(place - other.centre_yx) > distance for other in nuclei):
            nuclei.append(
                _Nucleus(
                    label=len(nuclei) + 1,
                    centre_yx=place,
                    velocity_yx=rng.normal(0, 0.8, 2),
                    radii=(rng.uniform(10, 13), rng.uniform(13, 17)),
                    angle=rng.uniform(0, np.pi),
                    brightness=rng.uniform(240, 460),
                    bumps=np.column_stack([rng.uniform(0, _BUMPS), rng.uniform(0, 6.3, 3)]),
                    chromatin=Chromatin.draw(rng),
                )
            )
    return nuclei


def _push(nucleus: _Nucleus, others: list[_Nucleus]) -> Image:
    """Say where a nucleus is pushed by its neighbours, and gently to the middle."""
    push = 0.004 * (np.array(SHAPE) / 2 - nucleus.centre_yx)
    for other in others:
        away = nucleus.centre_yx - other.centre_yx
        distance = float(np.linalg.norm(away))
        reach = max(nucleus.radii) + max(other.radii) + 3
        if 0 < distance < reach:
            push += 0.3 * (reach - distance) * away / distance
    return push


def _one_frame_later(rng: Generator, nuclei: list[_Nucleus], frame: int) -> list[_Nucleus]:
    """Move all nuclei on to a frame, dividing those whose time has come."""
    later: list[_Nucleus] = []
    label = max(nucleus.label for nucleus in nuclei)
    for nucleus in nuclei:
        division = next((t for t, mother in _DIVISIONS.items() if mother == nucleus.label), 0)
        grown = nucleus.grown(rng, _push(nucleus, nuclei))
        if frame == division:
            later += [nucleus.daughter(rng, label + i, side) for i, side in ((1, -1), (2, 1))]
        elif 0 < division - frame < 3:
            later.append(grown.condensed(division - frame))
        else:
            later.append(grown)
    return later


def _drawn(nuclei: list[_Nucleus]) -> tuple[Image, NDArray[np.uint16]]:
    """Draw all nuclei: light, and labels; a pixel is of the nucleus it is deepest in."""
    light, deepest = np.zeros(SHAPE), np.zeros(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for nucleus in nuclei:
        where, depth, shine = nucleus.draw()
        light[where] += shine
        labels[where][depth > deepest[where]] = nucleus.label
        deepest[where] = np.maximum(deepest[where], depth)
    # what is in focus, and the glow of what is not
    return gaussian_filter(light, 1.1) + 0.12 * gaussian_filter(light, 9), labels


def _background(rng: Generator) -> Image:
    """Make an uneven background: a slope and faint clouds."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    clouds = gaussian_filter(rng.normal(0, 1, SHAPE), 22)
    return np.asarray(48 + 15 * x - 9 * y - 10 * (x**2 + y**2) + 6 * clouds / clouds.std())


def make(seed: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Make the movie and its labels, both (T, Y, X) uint16."""
    rng = np.random.default_rng(seed)
    background = _background(rng)
    nuclei = _seeded(rng)
    movie, truth = [], []
    for frame in range(N_FRAMES):
        if frame:
            nuclei = _one_frame_later(rng, nuclei, frame)
        light, labels = _drawn(nuclei)
        movie.append(photograph(rng, (light + background) * np.exp(-frame / _BLEACHING_FRAMES)))
        truth.append(labels)
    return np.stack(movie), np.stack(truth)
