"""Microscopes: convert a frame's content to an image, before the camera.

Each function draws the settings of one instrument and returns a function that converts a frame
to (H, W) or (H, W, 3) float32 with black near 0 and white near 1.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, sobel

from synthetic.noise import Image, smooth_noise
from synthetic.population import Drawing

Microscope: TypeAlias = Callable[[Drawing], Image]
Shape: TypeAlias = tuple[int, int]


def _solid(drawing: Drawing) -> Image:
    """Return where objects are, with a soft edge and dark seams where they touch."""
    return np.asarray(np.clip(drawing.depth + 0.5, 0, 1) * (drawing.labels > 0), np.float32)


def fluorescence(rng: Generator, shape: Shape) -> Microscope:
    """Draw a fluorescence microscope: the inside is stained."""
    blur, glow = rng.uniform(0.5, 2.0), rng.uniform(0, 0.25)
    haze = np.maximum(0, rng.uniform(0.02, 0.2) + 0.05 * smooth_noise(rng, shape, 40))
    softness = rng.uniform(0.5, 3)

    def show(drawing: Drawing) -> Image:
        light = drawing.shine * np.clip(drawing.depth / softness, 0, 1)
        light = gaussian_filter(light, blur) + glow * gaussian_filter(light, 9, truncate=2)
        return np.asarray(0.5 * light + haze, np.float32)

    return show


def membrane(rng: Generator, shape: Shape) -> Microscope:
    """Draw a fluorescence microscope: the surface is stained."""
    width, inner = rng.uniform(0.7, 2.2), rng.uniform(0, 0.3)
    patchy = 1 + rng.uniform(0, 0.35) * smooth_noise(rng, shape, 8)
    haze, blur = rng.uniform(0.02, 0.15), rng.uniform(0.4, 1.2)

    def show(drawing: Drawing) -> Image:
        rim = np.exp(-((drawing.depth / width) ** 2)) * np.maximum(patchy, 0.1)
        light = 0.7 * rim + inner * drawing.shine * (drawing.depth > 0)
        return np.asarray(gaussian_filter(light, blur) + haze, np.float32)

    return show


def phase_contrast(rng: Generator, shape: Shape) -> Microscope:
    """Draw a phase contrast microscope: thickness is dark, with a bright halo."""
    sign = -1.0 if rng.random() < 0.8 else 1.0
    strength, halo = rng.uniform(0.15, 0.5), rng.uniform(3, 9)
    ground = 0.5 + 0.04 * smooth_noise(rng, shape, 25) + 0.01 * smooth_noise(rng, shape, 2)
    grain = rng.uniform(0.05, 0.5)

    def show(drawing: Drawing) -> Image:
        solid = _solid(drawing)
        thick = gaussian_filter(solid * (1 + grain * (drawing.shine - 1)), 0.8)
        around = gaussian_filter(solid, halo, truncate=2.5)
        edge = gaussian_filter(solid, 1.0) - gaussian_filter(solid, 2.2)
        return np.asarray(
            ground + sign * strength * (thick - 1.2 * around + 0.8 * edge), np.float32
        )

    return show


def interference_contrast(rng: Generator, shape: Shape) -> Microscope:
    """Draw a DIC microscope: the slope of the thickness as light from one side."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5)
    ground = 0.5 + 0.02 * smooth_noise(rng, shape, 50)
    dome = rng.uniform(2, 8)

    def show(drawing: Drawing) -> Image:
        height = np.sqrt(np.clip(drawing.depth, 0, dome) / dome) * _solid(drawing)
        height = gaussian_filter(height + 0.15 * drawing.shine, 1.0)
        slope = np.cos(angle) * sobel(height, 0) + np.sin(angle) * sobel(height, 1)
        return np.asarray(ground + strength * slope, np.float32)

    return show


def bright_field(rng: Generator, shape: Shape) -> Microscope:
    """Draw a bright field microscope: rims only, out of focus on one side."""
    focus = rng.uniform(0.06, 0.3) * rng.choice([-1, 1])
    inner, outer = rng.uniform(0.7, 1.3), rng.uniform(1.8, 4)
    ground = 0.6 + 0.03 * smooth_noise(rng, shape, 30) + 0.015 * smooth_noise(rng, shape, 3)
    dark = rng.uniform(0, 0.12)

    def show(drawing: Drawing) -> Image:
        solid = _solid(drawing)
        ring = gaussian_filter(solid, inner) - gaussian_filter(solid, outer)
        matter = gaussian_filter(drawing.shine * solid, inner)
        return np.asarray(ground + 3 * focus * ring - dark * matter, np.float32)

    return show


def electron(rng: Generator, shape: Shape) -> Microscope:
    """Draw an electron microscope: dark membranes and organelles, grey and grainy cytoplasm."""
    width, dark = rng.uniform(0.8, 2.2), rng.uniform(0.3, 0.6)
    grain, organelles = rng.uniform(0.03, 0.12), rng.uniform(1.0, 2.2)
    spots = smooth_noise(rng, shape, rng.uniform(5, 14))
    fibres = smooth_noise(rng, shape, rng.uniform(1.0, 2.0))

    def show(drawing: Drawing) -> Image:
        tone = 0.62 + 0.1 * (drawing.shine - 1) + grain * fibres
        wall = np.exp(-((np.maximum(drawing.depth, -2) / width) ** 2))
        blob = np.clip(3 * (spots - organelles), 0, 1) * (drawing.depth > 3)
        outside = 0.2 * (drawing.labels == 0)
        light = tone - dark * wall - 0.6 * dark * blob + outside * (0.5 + 0.3 * fibres)
        return np.asarray(gaussian_filter(light, 0.6), np.float32)

    return show


def stained(rng: Generator, shape: Shape) -> Microscope:
    """Draw a stained section in colour, (H, W, 3)."""
    eosin = np.array([0.08, 0.75, 0.45]) * rng.uniform(0.5, 1.2, 3)
    haematoxylin = np.array([0.9, 1.0, 0.45]) * rng.uniform(0.6, 1.2, 3)
    ground = np.maximum(0, rng.uniform(0.1, 0.8) + 0.3 * smooth_noise(rng, shape, 12))
    ground = ground + 0.15 * np.maximum(0, smooth_noise(rng, shape, 3))
    blur = rng.uniform(0.6, 1.5)

    def show(drawing: Drawing) -> Image:
        nuclei = gaussian_filter(drawing.shine * _solid(drawing), blur)[..., None]
        light = np.exp(-(ground[..., None] * eosin + 1.1 * nuclei * haematoxylin))
        return np.asarray(light, np.float32)

    return show


def camera(rng: Generator, n_frames: int, shape: Shape) -> Callable[[int, Image], np.ndarray]:
    """Draw a camera: uneven light, bleaching, shot and read noise; it returns uint8 frames."""
    photons = float(np.exp(rng.uniform(np.log(60), np.log(4000))))
    read = float(rng.uniform(0, 0.03))
    fading = np.exp(-np.arange(n_frames) * rng.choice([0, 0, 0.01, 0.04]))
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    tilt = rng.uniform(-0.2, 0.2, 2) * (rng.random() < 0.5)
    vignette = rng.uniform(0, 0.25) * (rng.random() < 0.4)
    light = (1 + tilt[0] * y + tilt[1] * x - vignette * (y**2 + x**2)).astype(np.float32)

    def expose(frame: int, seen: Image) -> np.ndarray:
        lit = seen * (light if seen.ndim == 2 else light[..., None]) * np.float32(fading[frame])
        noise = rng.standard_normal(lit.shape, np.float32)
        deviation = np.sqrt(np.maximum(lit, 0) / photons + read**2)
        return (np.clip(lit + deviation * noise, 0, 1.6) * (255 / 1.6)).astype(np.uint8)

    return expose
