"""A movie's masks with their lineage: what is measured, edited and written to files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.reviews import WHOLE_TRACK, Place
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from PIL.Image import Image

Frames: TypeAlias = Sequence[NDArray[Any]]
"""Frames, (H, W) or (H, W, 3) each."""

Channels: TypeAlias = Mapping[str, Frames]
"""Frames, (H, W) or (H, W, 3), of each channel by name."""


@dataclass(frozen=True)
class Tracked:
    """Objects through a movie or a stack.

    Parameters
    ----------
    masklets
        Their masks.
    lineage
        Parents, and begins and ends of tracks; those that it leaves open are those of the masks.
    axes
        YX, TYX, ZYX or TZYX: the axes of the label movie.
    calibration
        Pixel size, plane distance and frame interval.
    names
        Names of objects that have one.
    movie
        The frames, for formats that contain pictures.
    n_planes
        In TZYX, the number of planes of each time point; frames are counted through all of them.
    channels
        Frames, (H, W) or (H, W, 3), of each channel by name, for intensities.
    reviewed
        What the user reviewed, prompted or locked; None where nobody can have.
    """

    masklets: Masklets
    lineage: Lineage = field(default_factory=Lineage)
    axes: str = "TYX"
    calibration: Calibration = field(default_factory=Calibration)
    names: Mapping[int, str] = field(default_factory=dict)
    movie: Frames | None = None
    n_planes: int = 1
    channels: Channels = field(default_factory=dict)
    reviewed: Collection[Place] | None = None

    @classmethod
    def of(
        cls,
        movie: Movie,
        masklets: Masklets,
        lineage: Lineage | None = None,
        names: Mapping[int, str] | None = None,
    ) -> "Tracked":
        """Combine the objects of a movie with its axes, calibration and channels."""
        return cls(
            masklets,
            lineage or Lineage(),
            movie.layout.label_axes,
            movie.calibration,
            names or {},
            movie,
            movie.layout.n_planes,
            channels_of(movie),
        )

    @cached_property
    def tracks(self) -> Lineage:
        """Return the track of every object that has a mask, from its first to its last one."""
        return self.lineage.resolved(present_frames(self.masklets))

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return self.masklets.n_frames

    @property
    def is_stack(self) -> bool:
        """Return whether the frames are planes of one volume, not points in time."""
        return self.axes.startswith("Z")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Return the shape of the label movie."""
        return (*self.grid, *self.masklets.frame_shape)

    @property
    def grid(self) -> tuple[int, ...]:
        """Return the lengths of the leading axes: (), (T,), (Z,) or (T, Z)."""
        n = self.n_frames
        return {"YX": (), "TZYX": (n // self.n_planes, self.n_planes)}.get(self.axes, (n,))

    @property
    def n_times(self) -> int:
        """Return the number of time points; 1 for a stack or an image."""
        return self.n_frames // self.planes

    @property
    def planes(self) -> int:
        """Return the number of planes of each time point."""
        return self.n_frames if self.is_stack else self.n_planes

    def volumes_in(self, time: int) -> dict[int, dict[int, SparseMask]]:
        """Return the objects at a time point, by ascending id: their mask in each plane."""
        volumes: dict[int, dict[int, SparseMask]] = {}
        for plane in range(self.planes):
            for object_id, mask in self.objects_in(time * self.planes + plane):
                volumes.setdefault(object_id, {})[plane] = mask
        return dict(sorted(volumes.items()))

    def place(self, frame: int) -> tuple[int, ...]:
        """Return the index of a frame on the leading axes."""
        return tuple(int(place) for place in np.unravel_index(frame, self.grid))

    def name(self, object_id: int) -> str:
        """Return an object's name, `Object <id>` by default."""
        return self.names.get(object_id, f"Object {object_id}")

    def is_reviewed(self, object_id: int, frame: int) -> bool:
        """Return whether the user reviewed, prompted or locked an object's mask in a frame."""
        places = ((object_id, frame), (object_id, WHOLE_TRACK))
        return self.reviewed is not None and any(place in self.reviewed for place in places)

    def objects_in(self, frame: int) -> list[tuple[int, SparseMask]]:
        """Return the objects of a frame with their masks, by ascending id."""
        found = (
            (object_id, self.masklets.get(object_id, frame))
            for object_id in self.masklets.object_ids
            if self.lineage.spans(object_id, frame)
        )
        return [(object_id, mask) for object_id, mask in found if mask]

    def labels(self, frame: int) -> NDArray[np.integer]:
        """Draw the label image of a frame, (H, W)."""
        inside = [i for i in self.masklets.object_ids if self.lineage.spans(i, frame)]
        return self.masklets.labels(frame, inside)

    def to_array(self) -> NDArray[np.integer]:
        """Draw the label movie, in the shape `label_shape`; 0 is background."""
        labels = [self.labels(frame) for frame in range(self.n_frames)]
        return np.stack(labels).reshape(self.label_shape)

    def picture(self, frame: int) -> "Image":
        """Draw a frame with outlines, ids, time and scale bar.

        Parameters
        ----------
        frame
            Index of the frame.

        Returns
        -------
        PIL.Image.Image
        """
        from napari_sam2.tracks.pictures import contrast_of, draw_frame, picture_size

        size = picture_size(self.masklets.frame_shape)
        return draw_frame(self, frame, contrast_of(self.movie), size)

    def _repr_png_(self) -> bytes:
        """Return the PNG that a notebook shows: some frames beside each other."""
        from napari_sam2.tracks.pictures import draw_sheet

        png = BytesIO()
        draw_sheet(self).save(png, format="PNG")
        return png.getvalue()


def channels_of(movie: Movie) -> dict[str, Movie]:
    """Return each channel's movie by name: `intensity` if there is one, else `channel_0` …."""
    if movie.n_channels == 1:
        return {"intensity": movie}
    return {f"channel_{number}": movie.with_channel(number) for number in range(movie.n_channels)}


def present_frames(masklets: Masklets) -> dict[int, list[int]]:
    """Return the frames in which each object has a mask with pixels."""
    return {
        object_id: [
            frame
            for frame in masklets.frames(object_id)
            if (outline := masklets.outline(object_id, frame)) and outline.area
        ]
        for object_id in masklets.object_ids
    }


def united(one: SparseMask | None, other: SparseMask | None) -> SparseMask | None:
    """Return the union of two masks; None and empty ones add nothing."""
    if not one or not other:
        return one or other
    return SparseMask.union([one, other])
