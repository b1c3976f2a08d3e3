"""How an image layer is a movie: which axis its frames run along, and where it lies."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from numpy.typing import NDArray

from napari_sam2.movies.appearance import USUAL, Appearance
from napari_sam2.movies.blank_frames import SAMPLED_SIDE, BlankFrames
from napari_sam2.movies.pyramid import true_levels
from sam2_torch.inputs.frames import choose_level

if TYPE_CHECKING:
    from napari.layers import Image, Layer

TIME_NAMES = ("t", "time", "frame", "frames")
DEPTH_NAMES = ("z", "depth", "plane", "planes", "slice")
CHANNEL_NAMES = ("c", "channel", "channels")
_PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
_KEPT: "WeakKeyDictionary[Image, WeakSet[Layer]]" = WeakKeyDictionary()
LARGE_FRAME_PX = 4096  # rows or columns above which reading a whole frame takes its time

Along: TypeAlias = int | tuple[int, int] | None
"""The axis of the frames, or those of time and depth; None for a single image."""


@dataclass(frozen=True)
class FrameGeometry:
    """The axes of an image seen as a movie; the last two are always rows and columns.

    Parameters
    ----------
    shape
        Of the image, without its RGB axis.
    frame_axis
        The axis of the frames, or of the time points of a movie of stacks; None for a single
        image.
    position
        Index along each of the other leading axes, where the movie is; what it
        says of `frame_axis` and `plane_axis` counts for nothing.
    plane_axis
        The axis of the planes of each time point; None unless it is a movie of stacks, whose
        frames are counted through all planes, time point by time point.
    channel_axis
        The axis of the channels, if there is one: all show the same objects.
    """

    shape: tuple[int, ...]
    frame_axis: int | None
    position: tuple[int, ...]
    plane_axis: int | None = None
    channel_axis: int | None = None

    @classmethod
    def of(
        cls, image: "Image", *, frame_axis: Along = None, point: Sequence[float] | None = None
    ) -> "FrameGeometry":
        """Read the geometry of an image layer.

        Parameters
        ----------
        image
            Any image layer, RGB or not, multiscale or not.
        frame_axis
            The axis of the frames, or those of time and depth; by default `likely_axes`.
        point
            Where the viewer stands, in world coordinates; the origin by default.

        Raises
        ------
        ValueError
            If `frame_axis` is not one of the axes in front of rows and columns.
        """
        array = full_resolution(image)
        shape = tuple(int(n) for n in array.shape[: image.ndim])
        n_leading = len(shape) - 2
        along = likely_axes(shape, image.axis_labels) if frame_axis is None else frame_axis
        times, planes = along if isinstance(along, tuple) else (along, None)
        wanted = [axis for axis in (times, planes) if axis is not None]
        if not all(0 <= axis < n_leading for axis in wanted) or len(set(wanted)) < len(wanted):
            raise ValueError(
                f"frame axis: expected one of the {n_leading} axes in front of rows and columns, "
                f"or two of them, found {frame_axis}"
            )
        where = np.zeros(len(shape)) if point is None else image.world_to_data(point)
        position = np.clip(np.rint(where), 0, np.array(shape) - 1).astype(int)
        channels = _named(shape, image.axis_labels, CHANNEL_NAMES)
        return cls(
            shape,
            times,
            tuple(position[:n_leading].tolist()),
            planes,
            None if channels in wanted else channels,
        )

    @property
    def along(self) -> Along:
        """The axis, or the two axes, that the frames follow."""
        if self.frame_axis is None or self.plane_axis is None:
            return self.frame_axis
        return self.frame_axis, self.plane_axis

    @property
    def n_times(self) -> int:
        """Count the time points of a movie of stacks, and the frames of all else."""
        return 1 if self.frame_axis is None else self.shape[self.frame_axis]

    @property
    def n_planes(self) -> int:
        """Count the planes of each time point of a movie of stacks; 1 for all else."""
        return 1 if self.plane_axis is None else self.shape[self.plane_axis]

    @property
    def n_frames(self) -> int:
        """Count the frames; a single image has one."""
        return self.n_times * self.n_planes

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Give (H, W) of a frame in pixels."""
        return self.shape[-2], self.shape[-1]

    def place(self) -> str:
        """Say where the movie is along the other axes; empty if there are none."""
        moving = (self.frame_axis, self.plane_axis, self.channel_axis)
        return ", ".join(
            f"{index} of axis {axis}"
            for axis, index in enumerate(self.position)
            if axis not in moving and self.shape[axis] > 1
        )

    def index(self, frame: int, channel: int | None = None) -> tuple[int, ...]:
        """Give the leading index of a frame in the image; of a channel, or of the shown one."""
        index = list(self.position)
        time, plane = divmod(frame, self.n_planes)
        if self.frame_axis is not None:
            index[self.frame_axis] = time
        if self.plane_axis is not None:
            index[self.plane_axis] = plane
        if self.channel_axis is not None and channel is not None:
            index[self.channel_axis] = channel
        return tuple(index)

    def frame_at(self, leading: Sequence[float]) -> int | None:
        """Return the frame at a leading index, of any channel; None outside of the movie."""
        index = np.rint(np.asarray(leading, float)[: len(self.position)]).astype(int).tolist()
        time = 0 if self.frame_axis is None else index[self.frame_axis]
        plane = 0 if self.plane_axis is None else index[self.plane_axis]
        if not (0 <= time < self.n_times and 0 <= plane < self.n_planes):
            return None
        frame = time * self.n_planes + plane
        channel = None if self.channel_axis is None else index[self.channel_axis]
        return frame if tuple(index) == self.index(frame, channel) else None


class LayerFrames(Sequence[NDArray[Any]]):
    """The frames of an image layer, read one at a time, or in parts.

    Parameters
    ----------
    image
        The layer; its data are held, so that it may leave the viewer meanwhile.
    geometry
        Which part of it is the movie.
    appearance
        What the network sees of it.
    blank
        Gets the frames that turn out to hold no number.
    """

    def __init__(
        self,
        image: "Image",
        geometry: FrameGeometry,
        appearance: Appearance = USUAL,
        blank: BlankFrames | None = None,
    ) -> None:
        self._levels = true_levels(image.data) if image.multiscale else [image.data]
        self._n_axes = image.ndim
        self._geometry = geometry
        self._is_stack = is_stack(image, geometry)
        self._plane_step_px = _plane_step_px(image, geometry)
        self.appearance = appearance
        self._blank = blank or BlankFrames()

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self._geometry.frame_shape

    @property
    def n_planes(self) -> int:
        """Planes of each time point of a movie of stacks; 1 for all else."""
        return self._geometry.n_planes

    @property
    def plane_step_px(self) -> float | None:
        """How many pixels two planes are apart, as far as the layer's scale says."""
        return self._plane_step_px

    @property
    def is_stack(self) -> bool:
        """Whether the frames are the planes of one stack."""
        return self._is_stack

    def as_movie(self) -> "LayerFrames":
        """Take the same frames as points in time, also where they are planes."""
        frames = copy(self)
        frames._is_stack = False
        return frames

    def __len__(self) -> int:
        return self._geometry.n_frames

    def __getitem__(self, frame: int) -> NDArray[Any]:  # type: ignore[override]  # no slices
        """Read one frame, (H, W) or (H, W, 3); transparency is left out."""
        height, width = self.frame_shape
        return self.window(frame, slice(0, height), slice(0, width))

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read a part of a frame, as `Movie.window` does."""
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is outside the movie (0..{len(self) - 1})")
        pixels = self._window(frame, rows, columns, size)
        self._blank.note(int(frame), pixels, lambda: self._sample(frame))
        return pixels

    def _sample(self, frame: int) -> NDArray[Any]:
        height, width = self.frame_shape
        side = (SAMPLED_SIDE, SAMPLED_SIDE)
        return self._window(frame, slice(0, height), slice(0, width), side)

    def _window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None
    ) -> NDArray[Any]:
        shapes = [
            (int(a.shape[self._n_axes - 2]), int(a.shape[self._n_axes - 1])) for a in self._levels
        ]
        level, slices = choose_level((rows, columns), size, shapes)
        channels = self.appearance.channels
        if self._geometry.channel_axis is None or channels is None:
            return self._read(level, (*self._geometry.index(frame), *slices))
        images = [
            self._read(level, (*self._geometry.index(frame, channel), *slices))
            for channel in channels
        ]
        if len(images) == 1:
            return images[0]
        return np.stack([*images, *[np.zeros_like(images[0])] * (3 - len(images))], axis=-1)

    def _read(self, level: int, index: tuple[int | slice, ...]) -> NDArray[Any]:
        pixels = np.asarray(self._levels[level][index])
        return pixels[..., :3] if pixels.ndim == 3 else pixels


def is_stack(image: "Image", geometry: FrameGeometry) -> bool:
    """Tell whether frames are the planes of one stack: by the axis' name, or else by its unit."""
    axis = geometry.frame_axis
    if axis is None or geometry.plane_axis is not None:
        return False
    name: Any = str(image.axis_labels[axis]).lower()
    unit: Any = image.units[axis]
    return name in DEPTH_NAMES or (name not in TIME_NAMES and "[length]" in unit.dimensionality)


def _plane_step_px(image: "Image", geometry: FrameGeometry) -> float | None:
    """Divide the step between planes by the size of a pixel; None if the scale says nothing."""
    axis = geometry.frame_axis if is_stack(image, geometry) else geometry.plane_axis
    if axis is None or np.all(image.scale == 1):
        return None
    y, x = image.scale[-2:]
    return float(abs(image.scale[axis]) / math.sqrt(abs(y * x)))


def is_read_whole(image: "Image") -> bool:
    """Tell whether napari reads large frames as a whole, from a disk, to show them."""
    shape = FrameGeometry.of(image).frame_shape
    in_memory = type(image.data) is np.ndarray  # a mapped file is not
    return not image.multiscale and not in_memory and max(shape) > LARGE_FRAME_PX


def full_resolution(image: "Image") -> Any:
    """Give the array of an image layer, the largest one if it is multiscale."""
    return image.data[0] if image.multiscale else image.data


def placement(image: "Image") -> dict[str, Any]:
    """Return the keywords that place a new layer like the image, in the same units."""
    return {name: getattr(image, name) for name in _PLACEMENT}


def keep_on(image: "Image", layer: "Layer") -> None:
    """Place a layer like the image whenever scale, translation or units of the image change.

    Without this, prompts that were drawn before would lie on other pixels, or outside.
    """
    if image not in _KEPT:
        _KEPT[image] = WeakSet()
        for name in _PLACEMENT:
            getattr(image.events, name).connect(_place_alike)
    _KEPT[image].add(layer)


def _place_alike(event: Any) -> None:
    for layer in list(_KEPT[event.source]):
        setattr(layer, event.type, getattr(event.source, event.type))


def to_image_pixels(positions: NDArray[Any], layer: "Layer", image: "Image") -> NDArray[Any]:
    """Transform positions of one layer through the world into pixels of an image.

    Parameters
    ----------
    positions
        (N, D) in the coordinates of `layer`, which has as many dimensions as the image.

    Returns
    -------
    (N, D) in the coordinates of `image`.
    """

    def in_pixels(position: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(image.world_to_data(layer.data_to_world(position)))

    # every transform of napari is affine: D + 1 positions tell it all, one by one is slow
    origin = in_pixels(np.zeros(layer.ndim))
    matrix = np.stack([in_pixels(unit) - origin for unit in np.eye(layer.ndim)])
    return np.asarray(positions, float) @ matrix + origin


def likely_axes(shape: Sequence[int], labels: Sequence[str]) -> Along:
    """Guess what the frames of an image follow.

    Time and depth if they have names; else the axis that is called time, else the first that
    has more than one entry and is not called channel.
    """
    leading = range(len(shape) - 2)
    time, depth = (_named(shape, labels, names) for names in (TIME_NAMES, DEPTH_NAMES))
    if time is not None and depth is not None:
        varying = [axis for axis in (time, depth) if shape[axis] > 1]
        return (time, depth) if len(varying) == 2 else next(iter(varying), time)
    channel = _named(shape, labels, CHANNEL_NAMES)
    moving = [axis for axis in leading if shape[axis] > 1 and axis != channel]
    rest = [axis for axis in leading if axis != channel]
    return next(iter([*([] if time is None else [time]), *moving, *rest]), None)


def _named(shape: Sequence[int], labels: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the leading axis that has one of some names."""
    leading = range(len(shape) - 2)
    return next((axis for axis in leading if str(labels[axis]).lower() in names), None)
