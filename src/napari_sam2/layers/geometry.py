"""How an image layer is a movie: which axis its frames run along, and where it lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Image, Layer

_TIME_NAMES = ("t", "time", "frame", "frames")


@dataclass(frozen=True)
class FrameGeometry:
    """The axes of an image seen as a movie; the last two are always rows and columns.

    Parameters
    ----------
    shape
        Of the image, without its RGB axis.
    frame_axis
        The axis of the frames; None for a single image.
    position
        Index along each of the other leading axes, where the movie is; what it
        says of `frame_axis` counts for nothing.
    """

    shape: tuple[int, ...]
    frame_axis: int | None
    position: tuple[int, ...]

    @classmethod
    def of(
        cls, image: "Image", *, frame_axis: int | None = None, point: Sequence[float] | None = None
    ) -> "FrameGeometry":
        """Read the geometry of an image layer.

        Parameters
        ----------
        image
            Any image layer, RGB or not, multiscale or not.
        frame_axis
            The axis of the frames; by default the one that is called time, else the first
            that has more than one entry.
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
        if frame_axis is None:
            frame_axis = _likely_frame_axis(shape, image.axis_labels)
        elif not 0 <= frame_axis < n_leading:
            raise ValueError(
                f"frame axis: expected one of the {n_leading} axes in front of rows and columns, "
                f"found {frame_axis}"
            )
        where = np.zeros(len(shape)) if point is None else image.world_to_data(point)
        position = np.clip(np.rint(where), 0, np.array(shape) - 1).astype(int)
        return cls(shape, frame_axis, tuple(position[:n_leading].tolist()))

    @property
    def n_frames(self) -> int:
        """Count the frames; a single image has one."""
        return 1 if self.frame_axis is None else self.shape[self.frame_axis]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Give (H, W) of a frame in pixels."""
        return self.shape[-2], self.shape[-1]

    def place(self) -> str:
        """Say where the movie is along the other axes; empty if there are none."""
        return ", ".join(
            f"{index} of axis {axis}"
            for axis, index in enumerate(self.position)
            if axis != self.frame_axis and self.shape[axis] > 1
        )

    def index(self, frame: int) -> tuple[int, ...]:
        """Give the leading index of a frame in the image."""
        index = list(self.position)
        if self.frame_axis is not None:
            index[self.frame_axis] = frame
        return tuple(index)

    def frame_at(self, leading: Sequence[float]) -> int | None:
        """Find the frame at a leading index; None where the movie is not."""
        index = np.rint(np.asarray(leading, float)[: len(self.position)]).astype(int).tolist()
        frame = 0 if self.frame_axis is None else index[self.frame_axis]
        inside = 0 <= frame < self.n_frames
        return frame if inside and tuple(index) == self.index(frame) else None


class LayerFrames(Sequence[NDArray[Any]]):
    """The frames of an image layer, read one at a time.

    Parameters
    ----------
    image
        The layer; its data are held, so that it may leave the viewer meanwhile.
    geometry
        Which part of it is the movie.
    """

    def __init__(self, image: "Image", geometry: FrameGeometry) -> None:
        self._array = full_resolution(image)
        self._geometry = geometry

    def __len__(self) -> int:
        return self._geometry.n_frames

    def __getitem__(self, frame: int) -> NDArray[Any]:  # type: ignore[override]  # no slices
        """Read one frame, (H, W) or (H, W, 3); transparency is left out."""
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is outside the movie (0..{len(self) - 1})")
        pixels = np.asarray(self._array[self._geometry.index(frame)])
        return pixels[..., :3] if pixels.ndim == 3 else pixels


def full_resolution(image: "Image") -> Any:
    """Give the array of an image layer, the largest one if it is multiscale."""
    return image.data[0] if image.multiscale else image.data


def placement(image: "Image") -> dict[str, Any]:
    """Give the keywords that put a new layer where the image is, in the same units."""
    return {
        "scale": image.scale,
        "translate": image.translate,
        "rotate": image.rotate,
        "shear": image.shear,
        "affine": image.affine,
        "units": image.units,
        "axis_labels": image.axis_labels,
    }


def to_image_pixels(positions: NDArray[Any], layer: "Layer", image: "Image") -> NDArray[Any]:
    """Carry positions of one layer through the world into pixels of an image.

    Parameters
    ----------
    positions
        (N, D) in the coordinates of `layer`, which has as many dimensions as the image.

    Returns
    -------
    (N, D) in the coordinates of `image`.
    """

    def carry(position: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(image.world_to_data(layer.data_to_world(position)))

    # every transform of napari is affine: D + 1 positions tell it all, one by one is slow
    origin = carry(np.zeros(layer.ndim))
    matrix = np.stack([carry(unit) - origin for unit in np.eye(layer.ndim)])
    return np.asarray(positions, float) @ matrix + origin


def _likely_frame_axis(shape: tuple[int, ...], labels: Sequence[str]) -> int | None:
    leading = range(len(shape) - 2)
    named = [axis for axis in leading if str(labels[axis]).lower() in _TIME_NAMES]
    moving = [axis for axis in leading if shape[axis] > 1]
    return next(iter([*named, *moving, *leading]), None)
