"""Bodies of cells: their outlines, how they move, grow and divide."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from synthetic.noise import Image

Form: TypeAlias = Literal["star", "amoeba", "rod"]
Vector = NDArray[np.float64]

HARMONICS = np.arange(2, 7)
BUMPS: dict[Form, float] = {"star": 0.06, "amoeba": 0.28, "rod": 0.0}
RIM_PX = 6  # around a body that its window shows, for halos and membranes


@dataclass(frozen=True)
class Body:
    """One object in one frame; lengths in pixels.

    Parameters
    ----------
    label
        Its id.
    form
        Star-convex with few or with large bumps, or a capsule.
    centre_yx, velocity_yx
        Its place, and its motion from frame to frame.
    radii
        Across and along; of a rod the radius of its ends and half the length of its axis.
    angle
        Direction of its long axis.
    bumps
        (harmonics, 2) amplitude and phase of the outline; of a rod [0, 0] is its bend.
    brightness
        Factor.
    offset
        Place of its part of the texture.
    plane, half_depth
        Of an ellipsoid, the frame of its middle plane and how many it reaches; infinite for
        what is in all frames.
    """

    label: int
    form: Form
    centre_yx: Vector
    velocity_yx: Vector
    radii: tuple[float, float]
    angle: float
    bumps: Vector
    brightness: float
    offset: tuple[int, int]
    plane: float = 0.0
    half_depth: float = np.inf

    @classmethod
    def draw(cls, rng: Generator, label: int, form: Form, place: Vector, radius: float) -> "Body":
        """Draw a body of about a size at a place."""
        stretch = rng.uniform(1.0, 1.45)
        radii = (radius / stretch**0.5, radius * stretch**0.5)
        bumps = np.stack(
            (
                rng.normal(0, BUMPS[form], len(HARMONICS)) / (HARMONICS - 1.0),
                rng.uniform(0, 2 * np.pi, len(HARMONICS)),
            ),
            axis=1,
        )
        if form == "rod":
            radii = (radius * 0.4, radius * rng.uniform(0.5, 1.6))
            bumps[0, 0] = rng.normal(0, 0.15) / radius
        return cls(
            label,
            form,
            place,
            rng.normal(0, 1, 2),
            radii,
            rng.uniform(0, np.pi),
            bumps,
            float(np.exp(rng.normal(0, 0.35))),
            (int(rng.integers(1 << 16)), int(rng.integers(1 << 16))),
        )

    @property
    def reach(self) -> float:
        """Return the radius that encloses it."""
        return 1.5 * max(self.radii) if self.form != "rod" else sum(self.radii) * 1.2

    def depth(self, frame: int, dy: Image, dx: Image) -> tuple[Image, Image, Image]:
        """Return how deep places are below its surface (> 0 inside), and its own coordinates.

        Parameters
        ----------
        frame
            Plane of an ellipsoid.
        dy, dx
            Distance from its centre.
        """
        sin, cos = np.float32(np.sin(self.angle)), np.float32(np.cos(self.angle))
        v, u = dy * cos - dx * sin, dy * sin + dx * cos
        section = self._section(frame)
        if section <= 0:
            return np.full(v.shape, -99, np.float32), v, u
        across, along = (r * section for r in self.radii)
        if self.form == "rod":
            beyond = np.maximum(np.abs(u) - along, 0)
            return across - np.hypot(v - self.bumps[0, 0] * u**2, beyond), v, u
        theta, rim = np.arctan2(v / across, u / along), np.ones(v.shape, np.float32)
        for k, (amplitude, phase) in zip(HARMONICS, self.bumps, strict=True):
            rim += np.float32(amplitude) * np.cos(k * theta + np.float32(phase))
        rim = np.maximum(rim, 0.35)
        return (rim - np.hypot(v / across, u / along)) * min(across, along), v, u

    def _section(self, frame: int) -> float:
        """Return the size of an ellipsoid's section, 0 to 1."""
        if np.isinf(self.half_depth):
            return 1.0
        return float(np.sqrt(max(0.0, 1 - ((frame - self.plane) / self.half_depth) ** 2)))

    def moved(self, rng: Generator, push_yx: Vector, restless: float) -> "Body":
        """Return the body one frame later."""
        velocity = 0.8 * self.velocity_yx + rng.normal(0, restless, 2)
        bumps = self.bumps.copy()
        if self.form != "rod":
            lively = 0.35 if self.form == "amoeba" else 0.1
            bumps[:, 1] += rng.normal(0, lively, len(bumps))
            bumps[:, 0] *= np.exp(rng.normal(0, lively / 2, len(bumps)))
            limit = 2.5 * BUMPS[self.form] / (HARMONICS - 1.0)
            bumps[:, 0] = np.clip(bumps[:, 0], -limit, limit)
        growth = float(np.exp(rng.normal(0.01, 0.01)))
        return replace(
            self,
            centre_yx=self.centre_yx + velocity + push_yx,
            velocity_yx=velocity,
            radii=(self.radii[0], self.radii[1] * growth),
            angle=self.angle + rng.normal(0, 0.04),
            bumps=bumps,
        )

    def daughters(self, rng: Generator, label: int) -> tuple["Body", "Body"]:
        """Return two bodies, divided along the long axis, with `label` and the next one."""
        axis = np.array([np.sin(self.angle), np.cos(self.angle)])
        across, along = self.radii
        rod = self.form == "rod"
        radii = (across, along * 0.42) if rod else (along * 0.62, across * 0.72)
        shift = axis * along * (0.62 if rod else 0.75)
        pair = [
            replace(
                self,
                label=label + i,
                centre_yx=self.centre_yx + side * shift,
                velocity_yx=self.velocity_yx + side * axis * 0.06 * along,
                radii=radii,
                angle=self.angle + rng.normal(0, 0.15) + (0.0 if rod else np.pi / 2),
                offset=(int(rng.integers(1 << 16)), int(rng.integers(1 << 16))),
            )
            for i, side in enumerate((-1, 1))
        ]
        return pair[0], pair[1]
