"""Populations of bodies through time or depth: drift, motion, division, leaving."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from synthetic.bodies import RIM_PX, Body, Form, Vector
from synthetic.noise import Image, Texture

MAX_BODIES = 70


@dataclass(frozen=True, eq=False)
class Drawing:
    """A frame before the microscope.

    Parameters
    ----------
    labels
        (H, W) int32.
    depth
        (H, W) pixels below the surface of the nearest object; negative outside.
    shine
        (H, W) brightness of the material, about 1 inside of objects, 0 outside.
    """

    labels: np.ndarray
    depth: Image
    shine: Image


@dataclass(frozen=True)
class Crowd:
    """Settings of a population.

    Parameters
    ----------
    form
        Form of its bodies.
    shape
        (H, W) of the frames.
    radius
        Typical radius in pixels.
    crowding
        Approximate share of the frame that bodies cover.
    restless, drift_yx
        Random and common motion from frame to frame, in pixels.
    dividing
        Probability that a body divides in a frame.
    stacked
        Whether the frames are planes of a stack rather than times.
    layered
        Whether bodies lie on top of each other, or press against each other.
    """

    form: Form
    shape: tuple[int, int]
    radius: float
    crowding: float
    restless: float
    drift_yx: Vector
    dividing: float
    stacked: bool
    layered: bool

    @classmethod
    def draw(cls, rng: Generator, form: Form, shape: tuple[int, int], stacked: bool) -> "Crowd":
        """Draw the settings of a population."""
        radius = min(shape) * np.exp(rng.uniform(np.log(0.02), np.log(0.16)))
        radius = max(float(radius), 4.0)
        moving = 0.0 if stacked else float(np.exp(rng.uniform(np.log(0.01), np.log(0.25))))
        return cls(
            form,
            shape,
            radius,
            float(rng.uniform(0.05, 0.6)),
            restless=radius * moving * 0.5,
            drift_yx=rng.normal(0, 0.05 * radius, 2) * (rng.random() < 0.4),
            dividing=0.0 if stacked else float(rng.choice([0, 0.02, 0.06])),
            stacked=stacked,
            layered=bool(rng.random() < 0.3),
        )

    def simulate(self, rng: Generator, n_frames: int) -> Iterator[Drawing]:
        """Simulate the population, yielding frame by frame."""
        texture = Texture(rng, self.radius * rng.uniform(0.15, 0.6), rng.uniform(0.05, 0.4))
        bodies = self._seeded(rng, n_frames)
        for frame in range(n_frames):
            if frame:
                bodies = self._later(rng, bodies)
            yield self._drawn(bodies, frame, texture)

    def _seeded(self, rng: Generator, n_frames: int) -> list[Body]:
        wanted = self.crowding * self.shape[0] * self.shape[1] / (np.pi * self.radius**2)
        n = int(np.clip(wanted, 2, MAX_BODIES))
        # colonies lie close together, others spread over the frame and beyond its border
        middle = np.array(self.shape) * rng.uniform(0.3, 0.7, 2)
        spread = float(rng.uniform(0.1, 0.25)) if rng.random() < 0.3 else None
        bodies: list[Body] = []
        for _ in range(6 * n):
            if len(bodies) == n:
                break
            if spread is None:
                place = rng.uniform(-0.05, 1.05, 2) * self.shape
            else:
                place = middle + rng.normal(0, spread, 2) * self.shape
            radius = self.radius * float(np.exp(rng.normal(0, 0.22)))
            apart = 0.9 if self.layered else 1.5
            if all(
                np.hypot(*(place - b.centre_yx)) > apart * (radius + min(b.radii)) / 1.7
                for b in bodies
            ):
                body = Body.draw(rng, len(bodies) + 1, self.form, place, radius)
                body = replace(body, velocity_yx=body.velocity_yx * self.restless)
                bodies.append(self._placed_in_depth(rng, body, n_frames))
        return bodies

    def _placed_in_depth(self, rng: Generator, body: Body, n_frames: int) -> Body:
        if not self.stacked:
            return body
        half = float(np.exp(rng.uniform(np.log(2.0), np.log(3.0 + n_frames))))
        plane = rng.uniform(-0.6 * half, n_frames + 0.6 * half)
        return replace(body, plane=float(plane), half_depth=half)

    def _later(self, rng: Generator, bodies: list[Body]) -> list[Body]:
        label = max((body.label for body in bodies), default=0) + 1
        later: list[Body] = []
        for body in bodies:
            if rng.random() < self.dividing and len(bodies) + len(later) < 2 * MAX_BODIES:
                later += body.daughters(rng, label)
                label += 2
            elif self.stacked:
                later.append(replace(body, centre_yx=body.centre_yx + self.drift_yx))
            else:
                push = self._push(body, bodies) + self.drift_yx
                later.append(body.moved(rng, push, self.restless))
        return later

    def _push(self, body: Body, others: list[Body]) -> Vector:
        """Return the push of a body's neighbours."""
        push = np.zeros(2)
        if self.layered:
            return push
        places = np.array([other.centre_yx for other in others])
        sizes = np.array([min(other.radii) for other in others])
        away = body.centre_yx - places
        distance = np.hypot(away[:, 0], away[:, 1])
        overlap = sizes + min(body.radii) - distance
        near = (overlap > 0) & (distance > 0)
        strength = 0.25 * overlap[near] / distance[near]
        return push + (away[near] * strength[:, None]).sum(axis=0)

    def _drawn(self, bodies: list[Body], frame: int, texture: Texture) -> Drawing:
        labels = np.zeros(self.shape, np.int32)
        depth = np.full(self.shape, -99, np.float32)
        shine = np.zeros(self.shape, np.float32)
        for body in bodies:
            where, dy, dx = _window(body, self.shape)
            if dy.size == 0 or dx.size == 0:
                continue
            own, v, u = body.depth(frame, dy, dx)
            nearer = own > depth[where]
            if self.layered:  # what is drawn later lies on top
                nearer = (own > 0) | nearer
            labels[where][nearer & (own > 0)] = body.label
            depth[where][nearer] = own[nearer]
            light = body.brightness * texture.at(v, u, body.offset)
            inside = nearer & (own > -1)
            shine[where][inside] = light[inside] * np.clip(own[inside] + 1, 0, 1)
        return Drawing(labels, depth, shine)


def _window(body: Body, shape: tuple[int, int]) -> tuple[tuple[slice, slice], Image, Image]:
    """Return the surroundings of a body: their place, and the distances from its centre."""
    reach = body.reach + RIM_PX
    parts = [
        np.arange(max(0, int(c - reach)), max(0, min(n, int(c + reach) + 1)))
        for c, n in zip(body.centre_yx, shape, strict=True)
    ]
    where = tuple(slice(p[0], p[-1] + 1) if len(p) else slice(0, 0) for p in parts)
    rows, columns = ((p - c).astype(np.float32) for p, c in zip(parts, body.centre_yx, strict=True))
    return (where[0], where[1]), rows[:, None], columns[None]
