"""Nuclei in culture that wander and divide, and may come, leave and die, as a time-lapse."""

from dataclasses import dataclass, replace
from enum import Enum

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
_MIDDLE = np.array(SHAPE) / 2
_REACH = 28  # pixels from the centre; nothing of a nucleus is farther away

_LEAVE, _DIE, _ENTER = 2, 2, 2  # nuclei of each fate, where there are any
_SPEED = 3.5  # pixels per frame of those that come and leave
_SHRINKING, _FADING, _SMALLEST = 0.84, 0.75, 3.5  # of the dying, by frame; pixels of the radius
_LEAST_SEEN = 30  # pixels; a smaller sliver at the border is not labelled


class _Fate(Enum):
    STAYS = 0
    LEAVES = 1
    ENTERS = 2
    DIES = 3


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
    fate: _Fate = _Fate.STAYS
    fated: int = 0  # the frame in which it begins to leave or to die

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

    @property
    def is_in_sight(self) -> bool:
        """Return whether any of it may be in the frame."""
        return bool(np.all(np.abs(self.centre_yx - _MIDDLE) < _MIDDLE + _REACH - 1))

    def grown(self, rng: Generator, push_yx: Image) -> "_Nucleus":
        """Return the nucleus one frame later."""
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

    def dying(self) -> "_Nucleus":
        """Return the dying nucleus one frame later: smaller and dimmer."""
        radii = (self.radii[0] * _SHRINKING, self.radii[1] * _SHRINKING)
        return replace(self, radii=radii, brightness=self.brightness * _FADING)

    def condensed(self, frames_left: int) -> "_Nucleus":
        """Return the nucleus shortly before division: round and bright, at last a narrow plate."""
        radii, gain = ((5.0, 12.0), 1.45) if frames_left == 1 else ((10.0, 11.0), 1.35)
        bumps = self.bumps * (0.3, 1)
        return replace(self, radii=radii, brightness=gain * self.brightness, bumps=bumps)

    def daughter(self, rng: Generator, label: int, side: int) -> "_Nucleus":
        """Return the daughter that leaves the plate on one side (-1 or 1)."""
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
    """Return the displacement of a nucleus by its neighbours, and gently to the middle."""
    push = np.asarray(0.004 * (_MIDDLE - nucleus.centre_yx))
    for other in others:
        away = nucleus.centre_yx - other.centre_yx
        distance = float(np.linalg.norm(away))
        reach = max(nucleus.radii) + max(other.radii) + 3
        if 0 < distance < reach:
            push += 0.3 * (reach - distance) * away / distance
    return push


def _fated(rng: Generator, nuclei: list[_Nucleus]) -> list[_Nucleus]:
    """Return the nuclei with their fates: leaving (near the border), dying or yet to come."""
    mothers = _DIVISIONS.values()
    others = [nucleus for nucleus in nuclei if nucleus.label not in mothers]
    others.sort(key=lambda nucleus: float(_to_border(nucleus)[0]))
    fates = [_Fate.LEAVES] * _LEAVE + [_Fate.DIES] * _DIE
    fated = {
        nucleus.label: replace(nucleus, fate=fate, fated=int(rng.integers(3, 12)))
        for nucleus, fate in zip(others, fates, strict=False)
    }
    return [fated.get(nucleus.label, nucleus) for nucleus in nuclei] + [
        _outside(rng, replace(nuclei[0], label=len(nuclei) + i)) for i in range(1, _ENTER + 1)
    ]


def _to_border(nucleus: _Nucleus) -> tuple[float, Image]:
    """Return the distance of the nearest border, and the direction to it."""
    room = _MIDDLE - np.abs(nucleus.centre_yx - _MIDDLE)
    axis = int(room.argmin())
    towards = np.zeros(2)
    towards[axis] = 1.0 if nucleus.centre_yx[axis] > _MIDDLE[axis] else -1.0
    return float(room[axis]), towards


def _outside(rng: Generator, nucleus: _Nucleus) -> _Nucleus:
    """Return another nucleus like this one outside of the frame, which comes in later."""
    axis, side = rng.integers(0, 2), rng.choice((-1, 1))
    place = _MIDDLE * rng.uniform(0.4, 1.6, 2)
    place[axis] = _MIDDLE[axis] + side * (_MIDDLE[axis] + rng.uniform(25, 50))
    return replace(
        nucleus,
        centre_yx=place,
        angle=rng.uniform(0, np.pi),
        brightness=rng.uniform(240, 460),
        chromatin=Chromatin.draw(rng),
        fate=_Fate.ENTERS,
    )


def _drift(nucleus: _Nucleus, frame: int) -> Image:
    """Return the displacement of a nucleus that leaves or comes."""
    room, towards = _to_border(nucleus)
    if nucleus.fate is _Fate.LEAVES and frame >= nucleus.fated:
        return _SPEED * towards
    return -_SPEED * towards if nucleus.fate is _Fate.ENTERS and room < _REACH else np.zeros(2)


def _one_frame_later(rng: Generator, nuclei: list[_Nucleus], frame: int) -> list[_Nucleus]:
    """Return all nuclei one frame later, with those divided whose time has come."""
    later: list[_Nucleus] = []
    label = max(nucleus.label for nucleus in nuclei)
    for nucleus in nuclei:
        division = next((t for t, mother in _DIVISIONS.items() if mother == nucleus.label), 0)
        grown = nucleus.grown(rng, _push(nucleus, nuclei) + _drift(nucleus, frame))
        if frame == division:
            later += [nucleus.daughter(rng, label + i, side) for i, side in ((1, -1), (2, 1))]
        elif 0 < division - frame < 3:
            later.append(grown.condensed(division - frame))
        elif nucleus.fate is _Fate.DIES and frame >= nucleus.fated:
            later += [grown.dying()] if min(grown.radii) > _SMALLEST else []
        else:
            later.append(grown)
    return later


def _drawn(nuclei: list[_Nucleus]) -> tuple[Image, NDArray[np.uint16]]:
    """Draw all nuclei: light, and labels; a pixel is of the nucleus it is deepest in."""
    light, deepest = np.zeros(SHAPE), np.zeros(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for nucleus in (nucleus for nucleus in nuclei if nucleus.is_in_sight):
        where, depth, shine = nucleus.draw()
        light[where] += shine
        labels[where][depth > deepest[where]] = nucleus.label
        deepest[where] = np.maximum(deepest[where], depth)
    labels[np.bincount(labels.ravel())[labels] < _LEAST_SEEN] = 0
    # what is in focus, and the glow of what is not
    return gaussian_filter(light, 1.1) + 0.12 * gaussian_filter(light, 9), labels


def _background(rng: Generator) -> Image:
    """Return an uneven background: a slope and faint clouds."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    clouds = gaussian_filter(rng.normal(0, 1, SHAPE), 22)
    return np.asarray(48 + 15 * x - 9 * y - 10 * (x**2 + y**2) + 6 * clouds / clouds.std())


def make(seed: int, *, with_fates: bool = False) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the movie and its labels, both (T, Y, X) uint16.

    Parameters
    ----------
    seed
        Of everything that is drawn at random.
    with_fates
        Whether some of the nuclei leave, come and die; else all stay.
    """
    rng = np.random.default_rng(seed)
    background = _background(rng)
    nuclei = _seeded(rng)
    nuclei = _fated(rng, nuclei) if with_fates else nuclei
    movie, truth = [], []
    for frame in range(N_FRAMES):
        if frame:
            nuclei = _one_frame_later(rng, nuclei, frame)
        light, labels = _drawn(nuclei)
        movie.append(photograph(rng, (light + background) * np.exp(-frame / _BLEACHING_FRAMES)))
        truth.append(labels)
    return np.stack(movie), np.stack(truth)
