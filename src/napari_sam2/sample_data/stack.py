"""Nuclei of an early embryo, as a confocal stack."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_sam2.sample_data.microscope import Chromatin, Image, photograph

SHAPE = (24, 160, 224)
VOXEL_ZYX_UM = (2.0, 0.5, 0.5)

_N_NUCLEI = 30
_SIZE_UM = np.array(SHAPE) * VOXEL_ZYX_UM
_EMBRYO_RADII_UM = _SIZE_UM * (0.47, 0.45, 0.46)
_DIMMING_UM = 55.0  # depth at which 1/e of the light is left
_BANDS = 4  # of planes that are equally blurred


def _places(rng: Generator) -> list[Image]:
    """Draw centres in the embryo, in um, that keep away from each other."""
    places: list[Image] = []
    distance = 15.0
    while len(places) < _N_NUCLEI:
        offset = rng.uniform(-1, 1, 3)
        place = _SIZE_UM / 2 + offset * (_EMBRYO_RADII_UM - 5)
        distance *= 0.9995  # so that it ends
        apart = all(np.linalg.norm(place - other) > distance for other in places)
        if np.linalg.norm(offset) < 1 and apart:
            places.append(place)
    return places


def _window(centre: Image, reach: float) -> tuple[tuple[slice, ...], list[Image]]:
    """Return the surroundings of a nucleus: slices, and the distances along z, y and x in um."""
    where, distances = [], []
    for c, n, size in zip(centre, SHAPE, VOXEL_ZYX_UM, strict=True):
        first, stop = max(0, int((c - reach) / size)), min(n, int((c + reach) / size) + 2)
        where.append(slice(first, stop))
        distances.append(np.arange(first, stop) * size - c)
    return tuple(where), list(np.meshgrid(*distances, indexing="ij", sparse=True))


def _nucleus(rng: Generator, distances: list[Image], radius: float) -> tuple[Image, Image]:
    """Draw one nucleus: depth below the rim in um (> 0 inside), and light."""
    radii = radius * rng.uniform(0.82, 1.2, 3)
    angle = rng.uniform(0, np.pi)
    dz, dy, dx = distances
    z = dz / radii[0]
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / radii[1]
    u = (dy * np.sin(angle) + dx * np.cos(angle)) / radii[2]
    girth = np.hypot(v, u)
    wobble = 0.09 * girth * np.cos(2 * np.arctan2(v, u) + rng.uniform(0, 6.3) + 1.5 * z)
    depth = (1 + wobble - np.hypot(z, girth)) * radius
    chromatin = Chromatin.draw(rng).brightness(v + 0.5 * z, u - 0.3 * z)
    return depth, rng.uniform(300, 620) * chromatin / (1 + np.exp(-5 * depth))


def _embryo_depth() -> Image:
    """Return the depth of each voxel in the embryo: 1 in the middle, < 0 outside."""
    steps = [
        (np.arange(n) * size - length / 2) / radius
        for n, size, length, radius in zip(
            SHAPE, VOXEL_ZYX_UM, _SIZE_UM, _EMBRYO_RADII_UM, strict=True
        )
    ]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    return np.asarray(1 - np.sqrt(z**2 + y**2 + x**2))


def _through_the_tissue(light: Image) -> Image:
    """Return light that is dimmed and blurred with its depth (z)."""
    seen = np.empty_like(light)
    for band in range(_BANDS):
        planes = slice(band * SHAPE[0] // _BANDS, (band + 1) * SHAPE[0] // _BANDS)
        seen[planes] = gaussian_filter(light, (0.75, 0.9 + 0.25 * band, 0.9 + 0.25 * band))[planes]
    depth_um = np.arange(SHAPE[0])[:, None, None] * VOXEL_ZYX_UM[0]
    return np.asarray(seen * np.exp(-depth_um / _DIMMING_UM))


def make(seed: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the stack and its labels, both (Z, Y, X) uint16.

    Parameters
    ----------
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    light, deepest = np.zeros(SHAPE), np.zeros(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    for label, centre in enumerate(_places(rng), start=1):
        radius = rng.uniform(4.0, 6.0)
        where, distances = _window(centre, 1.7 * radius)
        depth, shine = _nucleus(rng, distances, radius)
        light[where] += shine
        labels[where][depth > deepest[where]] = label
        deepest[where] = np.maximum(deepest[where], depth)
    haze = 38 * np.sqrt(_embryo_depth().clip(0)) + 3
    grain = gaussian_filter(rng.normal(0, 1, SHAPE), (0.6, 2, 2))
    haze *= 1 + 0.25 * grain / grain.std()
    return photograph(rng, _through_the_tissue(light + haze)), labels
