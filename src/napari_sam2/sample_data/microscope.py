"""Appearance of nuclei in a microscope: chromatin, and a camera that counts photons."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.float64]

_OFFSET, _READ_NOISE, _COUNTS_PER_PHOTON = 110.0, 5.0, 2.0


@dataclass(frozen=True)
class Chromatin:
    """Waves and dark nucleoli, fixed in the nucleus and moving with it."""

    waves: Image  # (waves, 4): frequencies v, u; phase; amplitude
    nucleoli: Image  # (nucleoli, 3): place v, u; depth

    @classmethod
    def draw(cls, rng: Generator) -> "Chromatin":
        """Draw one at random."""
        waves = np.column_stack(
            [
                rng.normal(0, 3.5, (10, 2)),
                rng.uniform(0, 2 * np.pi, 10),
                rng.uniform(0.03, 0.12, 10),
            ]
        )
        count = rng.integers(2, 5)
        places = rng.uniform(-0.55, 0.55, (count, 2))
        return cls(waves, np.column_stack([places, rng.uniform(0.2, 0.5, count)]))

    def brightness(self, v: Image, u: Image) -> Image:
        """Return the brightness, about 1, at places of a nucleus whose rim has the radius 1."""
        value = np.ones(np.broadcast_shapes(v.shape, u.shape))
        for fv, fu, phase, amplitude in self.waves:
            value += amplitude * np.cos(fv * v + fu * u + phase)
        for sv, su, depth in self.nucleoli:
            value -= depth * np.exp(-((v - sv) ** 2 + (u - su) ** 2) / 0.03)
        return value


def photograph(rng: Generator, light: Image) -> NDArray[np.uint16]:
    """Return the camera's counts of some light: photons and read-out noise.

    Parameters
    ----------
    rng
        Random numbers.
    light
        Mean counts of each pixel above the offset, (Y, X) or (Z, Y, X).
    """
    photons = rng.poisson(light.clip(0) / _COUNTS_PER_PHOTON)
    counts = _OFFSET + _COUNTS_PER_PHOTON * photons + rng.normal(0, _READ_NOISE, light.shape)
    return counts.clip(0, 65535).astype(np.uint16)
