"""Cut clips from labelled movies, with augmented geometry and intensities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.config import SAM2Config
from sam2_torch.inputs.transforms import PERCENTILES, InputGeometry
from sam2_torch.training.data.batches import Clip
from sam2_torch.training.data.labelled_movies import DataError, LabelledMovie

WHOLE_SHARE = 0.5  # of the clips that show whole frames
STILL_SHARE = 0.15  # of the clips of still images in which nothing moves
MOVIE_SPEED = 0.15  # of the warps that real movements get on top
SMALL_OBJECTS = 0.35  # an object's chance falls with this power of its area
LEAST_INPUT_PX = 30  # of an object, in the network's input
ATTEMPTS = 8
CROP_SIDES = (3.0, 14.0)  # of a crop, in sides of the object that it is made around


@dataclass(frozen=True)
class ClipCutter:
    """Cut clips for one network.

    Parameters
    ----------
    config
        The network's config: size of its input, and place of images in it.
    objects
        Largest number of prompted objects of a clip.
    """

    config: SAM2Config
    objects: int

    def cut(self, movie: LabelledMovie, n_frames: int, rng: np.random.Generator) -> Clip:
        """Cut a clip; it depends on `rng` alone.

        Raises
        ------
        DataError
            If no frame of the movie shows an object.
        """
        for attempt in range(ATTEMPTS):
            frames = _choose_frames(movie, n_frames, rng)
            whole = attempt > ATTEMPTS // 2 or rng.random() < WHOLE_SHARE
            window = _window(movie, frames[0], whole, rng)
            images, labels, content = self._warped(movie, frames, window, rng)
            chosen = _choose_objects(labels[0], self.objects, rng)
            if len(chosen):
                lit = _relight(images, content, rng)
                return Clip(self._pad(lit), self._pad(labels), content, chosen, movie.name)
        raise DataError(
            f"{movie.name}: expected objects of at least {LEAST_INPUT_PX} pixels in the network's "
            "input, found none; are its labels empty?"
        )

    def _warped(
        self,
        movie: LabelledMovie,
        frames: list[int],
        window: tuple[slice, slice],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], tuple[int, int]]:
        """Resize a window of some frames to the input, warped."""
        images = movie.images[(frames, *window)].astype(np.float32)
        labels = np.ascontiguousarray(movie.labels[(frames, *window)]).astype(np.int32)
        shape = (images.shape[1], images.shape[2])
        content = InputGeometry.fit(shape, self.config).content
        is_still = len(set(frames)) == 1
        speed = MOVIE_SPEED if not is_still else float(rng.random() >= STILL_SHARE)
        warp = draw_warp(rng, len(frames), speed)
        channels = images.reshape(*images.shape[:3], -1).transpose(0, 3, 1, 2)
        pixels, ids = torch.from_numpy(channels.copy()), torch.from_numpy(labels)
        pixels = _shrink(pixels, content)
        moved, kept = [], []
        for t in range(len(frames)):
            grid = warp.grid(t, content)
            moved.append(_sample(pixels[t : t + 1], grid))
            kept.append(_sample_labels(ids[t], grid))
        return torch.cat(moved).numpy(), torch.stack(kept).numpy(), content

    def _pad(self, frames: NDArray[Any]) -> NDArray[Any]:
        size = self.config.image_size
        rows, columns = size - frames.shape[-2], size - frames.shape[-1]
        return np.pad(frames, [(0, 0)] * (frames.ndim - 2) + [(0, rows), (0, columns)])


def _shrink(images: Tensor, content: tuple[int, int]) -> Tensor:
    """Downsample images that are much larger than the input, without aliasing."""
    if images.shape[-2] < 1.5 * content[0] and images.shape[-1] < 1.5 * content[1]:
        return images
    return F.interpolate(images, size=content, mode="bilinear", antialias=True)


def _sample(image: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _sample_labels(labels: Tensor, grid: Tensor) -> Tensor:
    """Return the nearest label at each place, exactly; 0 outside."""
    height, width = labels.shape
    x = ((grid[0, ..., 0] + 1) * width / 2).floor().long()
    y = ((grid[0, ..., 1] + 1) * height / 2).floor().long()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return torch.where(inside, labels[y.clamp(0, height - 1), x.clamp(0, width - 1)], 0)


def _choose_frames(movie: LabelledMovie, n_frames: int, rng: np.random.Generator) -> list[int]:
    """Select consecutive frames, or every second or third, in either direction of time.

    A movie that is too short is played back and forth; the first frame shows an object.
    """
    total = movie.n_frames
    stride = int(rng.integers(1, 4)) if total >= 3 * n_frames else 1
    first = int(rng.integers(total))
    for shift in range(total):  # the next frame that shows anything
        if movie.labels[(first + shift) % total].any():
            first = (first + shift) % total
            break
    if total == 1:
        return [0] * n_frames
    way = 1 if rng.random() < 0.5 else -1
    period = 2 * (total - 1)
    places = (first + way * stride * np.arange(n_frames)) % period
    return np.where(places < total, places, period - places).tolist()


def _window(
    movie: LabelledMovie, frame: int, whole: bool, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Select part of the frames: all of it, or the surroundings of an object."""
    height, width = movie.labels.shape[1:]
    everything = slice(0, height), slice(0, width)
    ids, areas = movie.objects(frame)
    if whole or not len(ids):
        return everything
    chance = areas**-SMALL_OBJECTS
    chosen = rng.choice(len(ids), p=chance / chance.sum())
    rows, columns = np.nonzero(movie.labels[frame] == ids[chosen])
    side = max(float(np.ptp(rows)), float(np.ptp(columns)), 8.0)
    wanted = side * np.exp(rng.uniform(*np.log(CROP_SIDES)))
    parts = []
    for places, length in ((rows, height), (columns, width)):
        size = int(np.clip(wanted * rng.uniform(0.75, 1.33), min(64, length), length))
        middle = rng.choice(places) + rng.uniform(-0.3, 0.3) * size
        first = int(np.clip(middle - size / 2, 0, length - size))
        parts.append(slice(first, first + size))
    return parts[0], parts[1]


def _choose_objects(
    labels: NDArray[np.int32], n: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Select up to n objects of the first frame, small ones with a higher probability."""
    ids, areas = np.unique(labels, return_counts=True)
    kept = (ids > 0) & (areas >= LEAST_INPUT_PX)
    ids, areas = ids[kept], areas[kept]
    if len(ids) <= n:
        return ids.astype(np.int32)
    chance = areas**-SMALL_OBJECTS
    return rng.choice(ids, n, replace=False, p=chance / chance.sum()).astype(np.int32)


def _relight(
    images: NDArray[np.float32], content: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Rescale the intensities of (T, C, h, w) images as inference does, and change their light."""
    low, high = np.percentile(images[..., ::4, ::4], PERCENTILES)
    stretched = np.clip((images - low) / max(float(high - low), 1e-6), 0, 1)
    if rng.random() < 0.5:
        stretched = stretched ** np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.1 and images.shape[1] == 1:
        stretched = 1 - stretched
    if rng.random() < 0.3:
        stretched = stretched * _slope(content, rng)
    if rng.random() < 0.3:
        noise = rng.standard_normal(stretched.shape, np.float32)
        stretched = stretched + np.float32(rng.uniform(0.01, 0.08)) * noise
    if rng.random() < 0.3:  # duller, or saturated
        stretched = (stretched - 0.5) * np.exp(rng.normal(0, 0.25)) + 0.5 + rng.normal(0, 0.05)
    return (np.clip(stretched, 0, 1) * 255).round().astype(np.uint8)


def _slope(content: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a gradient of light across the image."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in content)
    dy, dx = rng.uniform(-0.3, 0.3, 2).astype(np.float32)
    return 1 + dy * y[:, None] + dx * x


MAX_SHIFT, MAX_TURN, MAX_ZOOM, MAX_SHEAR = 0.25, 0.4, 0.25, 0.15
MAX_BEND = 0.06  # in half sides of the crop
BEND_NODES = (3, 7)  # least and most nodes of the elastic grid, along each side


@dataclass(frozen=True)
class Warp:
    """Source of each output pixel in each frame.

    Parameters
    ----------
    affine
        (T, 2, 3) matrices, output to crop.
    bend
        (T, 2, n, n) displacements at the nodes of a grid, x and y.
    """

    affine: Tensor
    bend: Tensor

    def grid(self, frame: int, shape: tuple[int, int]) -> Tensor:
        """Return the source places of a frame, (1, H, W, 2)."""
        grid = F.affine_grid(self.affine[frame : frame + 1], [1, 1, *shape], align_corners=False)
        bend = F.interpolate(
            self.bend[frame : frame + 1], size=shape, mode="bicubic", align_corners=True
        )
        return grid + bend.permute(0, 2, 3, 1)


def draw_warp(rng: np.random.Generator, n_frames: int, speed: float) -> Warp:
    """Draw a pose (flips, quarter turns, a small rotation and zoom) and a motion from there.

    Parameters
    ----------
    rng
        Random numbers.
    n_frames
        Length of the clip.
    speed
        How much the pose changes along the clip: 0 for not at all, 1 for the range of still images.
    """
    steps = _path(rng, n_frames, 6) * speed  # (T, 6), 0 in the first frame
    turn = rng.normal(0, 0.1) + steps[:, 0] * MAX_TURN
    zoom = np.exp(rng.normal(0, 0.08) + steps[:, 1] * MAX_ZOOM)
    shear = rng.normal(0, 0.05) + steps[:, 2] * MAX_SHEAR
    shift = steps[:, 3:5] * MAX_SHIFT
    quarter = rng.integers(4) * np.pi / 2
    flip = -1.0 if rng.random() < 0.5 else 1.0
    sin, cos = np.sin(turn + quarter), np.cos(turn + quarter)
    affine = np.empty((n_frames, 2, 3), np.float32)
    affine[:, 0] = np.stack((flip * cos * zoom, -sin * zoom + shear, shift[:, 0]), axis=1)
    affine[:, 1] = np.stack((flip * sin * zoom, cos * zoom, shift[:, 1]), axis=1)
    nodes = int(rng.integers(BEND_NODES[0], BEND_NODES[1] + 1))
    amplitude = rng.uniform(0.2, 1) * MAX_BEND / np.sqrt(nodes)
    still, moving = rng.normal(0, amplitude, (2, 1, 2, nodes, nodes))
    growth = (0.5 * still + steps[:, 5, None, None, None] * moving).astype(np.float32)
    return Warp(torch.from_numpy(affine), torch.from_numpy(growth))


def _path(rng: np.random.Generator, n_frames: int, n: int) -> np.ndarray:
    """Draw n smooth curves over the frames, (T, n), from 0 to at most about 1."""
    t = np.linspace(0, 1, n_frames)[:, None] if n_frames > 1 else np.zeros((1, 1))
    towards, swing = rng.normal(0, 0.4, (2, 1, n))
    return towards * t + swing * np.sin(np.pi * t * rng.uniform(0.5, 2, (1, n)))
