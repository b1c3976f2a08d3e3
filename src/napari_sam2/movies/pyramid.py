"""Overviews of large frames, computed tile by tile in the background where they are shown."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import product
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.movies.background_threads import background_thread
from napari_sam2.movies.lazy_arrays import LazyArray, Pixels

TILE = 512  # rows and columns
BLOCK = 2048  # of the source that are read at once
COARSEST_PX = 1024  # rows or columns of the last level that reads
THUMBNAIL_PX = 256
BUDGET = 1 << 29  # bytes of tiles

Place: TypeAlias = tuple[int, ...]
Tile: TypeAlias = tuple[int, Place, int, int]
"""Every how many pixels, index along the leading axes, row and column of tiles."""


class Overview:
    """Every second, fourth, eighth ... pixel of large frames.

    A tile that is asked for and not there is shown as far as coarser ones know it, black
    elsewhere, and made in a thread, nearest to the middle of what is shown first. What is
    asked for next goes before what was asked for before.

    Parameters
    ----------
    source
        All pixels: leading axes, rows, columns, and with `n_colours` colours.
    n_colours
        Length of a last axis of colours; 0 if there is none.
    changed
        Called in the thread when there is more to be shown.

    Notes
    -----
    The last level is for thumbnails, which napari draws of each frame it passes: it reads
    nothing, and shows what is known.
    """

    def __init__(
        self, source: Pixels, n_colours: int = 0, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.source = source
        self.changed = changed
        self._colours = (n_colours,) if n_colours else ()
        shape = source.shape[: len(source.shape) - len(self._colours)]
        self._leading, self._frame_shape = shape[:-2], (shape[-2], shape[-1])
        self._tiles: OrderedDict[Tile, NDArray[Any]] = OrderedDict()
        self._wanted: list[Tile] = []
        self._is_running = False
        self._lock = Lock()

    @property
    def steps(self) -> list[int]:
        """Step in pixels of each level; empty for frames that need no overview."""
        side = max(self._frame_shape)
        steps: list[int] = []
        while side > COARSEST_PX * (steps[-1] if steps else 1):
            steps.append(2 ** (len(steps) + 1))
        return steps

    @property
    def is_idle(self) -> bool:
        """Whether all requested tiles are computed."""
        return not self._is_running

    def levels(self) -> list[LazyArray]:
        """Return the levels, finest first, to be shown below the source itself."""
        steps = self.steps
        if not steps:
            return []
        thumbnail = 2 * steps[-1]
        while max(self._frame_shape) > thumbnail * THUMBNAIL_PX:
            thumbnail *= 2
        return [LazyArray(OverviewLevel(self, step)) for step in (*steps, thumbnail)]

    def shape_at(self, step: int) -> tuple[int, ...]:
        """Return the shape of a level.

        Parameters
        ----------
        step
            Every how many pixels the level takes one.
        """
        return (*self._leading, *(-(-n // step) for n in self._frame_shape), *self._colours)

    def read(self, step: int, place: Place, rows: range, columns: range) -> NDArray[Any]:
        """Show what is known of a part of a frame, and have the rest made.

        Parameters
        ----------
        step
            The level.
        place
            Which frame.
        rows, columns
            Of the level.
        """
        if not (len(rows) and len(columns)):
            return np.zeros((len(rows), len(columns), *self._colours), self.source.dtype)
        steps = self.steps
        ratio = max(1, step // steps[-1])
        wanted = [range(axis.start * ratio, axis[-1] * ratio + 1) for axis in (rows, columns)]
        if ratio == 1:
            self._want(step, place, wanted[0], wanted[1])
        known = self._known(steps.index(step // ratio), place, wanted[0], wanted[1])
        return known[:: ratio * rows.step, :: ratio * columns.step]

    def stop(self) -> None:
        """Stop after the current tile."""
        with self._lock:
            self._wanted.clear()

    def _known(self, level: int, place: Place, rows: range, columns: range) -> NDArray[Any]:
        """Return a part as far as it is computed, from coarser levels if necessary."""
        steps = self.steps
        step = steps[level]
        with self._lock:
            here = {
                (y, x): self._tiles.get((step, place, y, x))
                for y, x in product(_tiles_of(rows), _tiles_of(columns))
            }
        if all(tile is not None for tile in here.values()) or level + 1 == len(steps):
            part = np.zeros((len(rows), len(columns), *self._colours), self.source.dtype)
        else:
            coarse = [range(axis.start // 2, axis[-1] // 2 + 1) for axis in (rows, columns)]
            part = self._known(level + 1, place, coarse[0], coarse[1])
            part = part.repeat(2, axis=0).repeat(2, axis=1)
            part = part[rows.start % 2 :, columns.start % 2 :][: len(rows), : len(columns)]
        for (y, x), tile in here.items():
            if tile is not None:
                _lay(tile, (y * TILE - rows.start, x * TILE - columns.start), part)
        return part

    def _want(self, step: int, place: Place, rows: range, columns: range) -> None:
        middle = [(axis.start + axis.stop) / 2 / TILE - 0.5 for axis in (rows, columns)]
        near = sorted(
            product(_tiles_of(rows), _tiles_of(columns)),
            key=lambda tile: (tile[0] - middle[0]) ** 2 + (tile[1] - middle[1]) ** 2,
        )
        with self._lock:
            tiles = [(step, place, y, x) for y, x in near]
            for tile in set(tiles).intersection(self._tiles):
                self._tiles.move_to_end(tile)
            self._wanted = [tile for tile in tiles if tile not in self._tiles]
            if not self._wanted or self._is_running:
                return
            self._is_running = True
        background_thread(self._make_tiles, "napari-sam2 overview").start()

    def _make_tiles(self) -> None:
        while (tile := self._next()) is not None:
            pixels = self._make(tile)
            if pixels is None:
                continue
            with self._lock:
                self._tiles[tile] = pixels
                while sum(p.nbytes for p in self._tiles.values()) > BUDGET and self._tiles:
                    self._tiles.popitem(last=False)
                self._wanted = [other for other in self._wanted if other != tile]
            self.changed()

    def _next(self) -> Tile | None:
        with self._lock:
            self._is_running = bool(self._wanted)
            return self._wanted[0] if self._wanted else None

    def _make(self, tile: Tile) -> NDArray[Any] | None:
        """Read a tile block by block; None if it is not wanted any more."""
        step, place, y, x = tile
        shape = self.shape_at(step)[len(self._leading) :]
        sides = [min(TILE, n - i * TILE) for n, i in zip(shape, (y, x), strict=False)]
        pixels = np.zeros((*sides, *self._colours), self.source.dtype)
        block = max(1, BLOCK // step)
        for top, left in product(range(0, sides[0], block), range(0, sides[1], block)):
            if tile not in self._wanted:
                return None
            part = pixels[top : top + block, left : left + block]
            window = [
                slice(first * step, (first + n - 1) * step + 1, step)
                for first, n in zip((y * TILE + top, x * TILE + left), part.shape, strict=False)
            ]
            try:
                part[...] = self.source[(*place, *window, *(slice(0, n) for n in self._colours))]
            except (ValueError, OSError):  # damaged: reported where the pixels themselves are read
                self.stop()
                return None
        return pixels


class OverviewLevel:
    """One level of an overview, as far as it is computed.

    Parameters
    ----------
    overview
        Makes them.
    step
        Every how many pixels one is taken.
    """

    def __init__(self, overview: Overview, step: int) -> None:
        self.overview = overview
        self.dtype = overview.source.dtype
        self._step = step

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.overview.shape_at(self._step)

    def __getitem__(self, key: Sequence[slice]) -> NDArray[Any]:
        """Return a part as far as it is computed, and request the rest."""
        axes = [range(n)[k] for n, k in zip(self.shape, key, strict=True)]
        n = len(axes) - 2 - len(self.overview._colours)
        part = np.zeros([len(axis) for axis in axes], self.dtype)
        for at in np.ndindex(*part.shape[:n]):
            place = tuple(axis[i] for axis, i in zip(axes, at, strict=False))
            seen = self.overview.read(self._step, place, axes[n], axes[n + 1])
            part[at] = seen if len(axes) == n + 2 else seen[..., key[-1]]
        return part


def overview_of(data: Any) -> Overview | None:
    """Return the overview among the levels of a layer's data; None if there is none.

    Parameters
    ----------
    data
        Of a napari layer.
    """
    for level in data if isinstance(data, Sequence) else ():
        source = getattr(level, "source", None)
        if isinstance(source, OverviewLevel):
            return source.overview
    return None


def true_levels(levels: Sequence[Any]) -> list[Any]:
    """Return the levels without those of an overview, which may be incomplete.

    Parameters
    ----------
    levels
        Levels of the data of a layer, finest first.
    """
    return [
        level for level in levels if not isinstance(getattr(level, "source", None), OverviewLevel)
    ]


def _tiles_of(axis: range) -> range:
    return range(axis.start // TILE, (axis.stop - 1) // TILE + 1)


def _lay(tile: NDArray[Any], at_yx: tuple[int, int], part: NDArray[Any]) -> None:
    """Copy a tile into a part whose first pixel is at (0, 0)."""
    to, of = [], []
    for first, n_tile, n_part in zip(at_yx, tile.shape, part.shape, strict=False):
        start, stop = max(first, 0), min(first + n_tile, n_part)
        to.append(slice(start, max(start, stop)))
        of.append(slice(start - first, max(start, stop) - first))
    part[to[0], to[1]] = tile[of[0], of[1]]
