"""What was found without prompts -> one Labels layer with a score for each object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.layers.mask_layers.masklet_levels import is_own, layer_data, redraw
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.mask_layers.output_layers import OPACITY, insert_quietly
from napari_sam2.layers.viewer.colours import object_colormap
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, keep_on, placement
from napari_sam2.masks.masklets import Masklets
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels


@dataclass
class FoundObject:
    """An object that was found in one frame.

    Parameters
    ----------
    frame, mask, score
        Where, what, and how sure the network is, 0 to 1.
    likeness
        How like it is to the examples, 0 to 1; None if it was not compared.
    """

    frame: int
    mask: SparseMask
    score: float
    likeness: float | None = None


class FoundLayer:
    """The objects that were found in an image, of which a layer shows those that are good enough.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.

    Attributes
    ----------
    objects
        All that were found, by label.
    min_score, min_likeness
        What an object needs to be shown; objects that were not compared need no likeness.
    """

    def __init__(self, viewer: "ViewerModel", image: "Image", geometry: FrameGeometry) -> None:
        self.objects: dict[int, FoundObject] = {}
        self.min_score = 0.0
        self.min_likeness = 0.0
        self._viewer = viewer
        self._image = image
        self._masklets = Masklets(geometry.n_frames, geometry.frame_shape)
        self._view = MaskletView(self._masklets, geometry, None, self._painted)
        self._layer: Labels | None = None
        self._largest = 0

    @property
    def layer(self) -> "Labels | None":
        """The layer; None if there is nothing to show, or if it was removed or converted."""
        layer = self._layer
        return layer if layer in self._viewer.layers and layer and is_own(layer) else None

    def shown(self, frame: int | None = None) -> dict[int, FoundObject]:
        """List the objects that are good enough, in one frame or in all."""
        return {
            i: one
            for i, one in self.objects.items()
            if self._is_good(one) and (frame is None or one.frame == frame)
        }

    def replace(self, found: Mapping[int, Iterable[FoundObject]]) -> None:
        """Take what was found in some frames, by frame, instead of what was found there before."""
        self._forget([i for i, one in self.objects.items() if one.frame in found])
        first = self._largest + 1
        for objects in found.values():
            for one in objects:
                self._largest += 1
                self.objects[self._largest] = one
        self._show(range(first, self._largest + 1))
        self._describe()

    def compare(self, likenesses: Mapping[int, float]) -> None:
        """Note how like objects are to the examples, by label."""
        for i, likeness in likenesses.items():
            if i in self.objects:
                self.objects[i].likeness = likeness
        self._show(self.objects)
        self._describe()

    def set_least(self, min_score: float, min_likeness: float) -> None:
        """Choose what is good enough; what is not is hidden, and comes back when it is."""
        before = set(self.shown())
        self.min_score, self.min_likeness = min_score, min_likeness
        self._show(before.symmetric_difference(self.shown()))

    def remove(self, labels: Iterable[int]) -> None:
        """Remove objects."""
        self._forget(list(labels))
        self._refresh()
        self._describe()

    def _forget(self, labels: list[int]) -> None:
        for i in labels:
            one = self.objects.pop(i)
            self._masklets.remove(i, one.frame)

    def _is_good(self, one: FoundObject) -> bool:
        likeness = 1.0 if one.likeness is None else one.likeness
        return one.score >= self.min_score and likeness >= self.min_likeness

    def _show(self, changed: Iterable[int]) -> None:
        for i in list(changed):
            one = self.objects[i]
            if self._is_good(one):
                self._masklets.set(i, one.frame, one.mask)
            else:
                self._masklets.remove(i, one.frame)
        self._refresh()

    def _refresh(self) -> None:
        is_empty = not any(map(self._is_good, self.objects.values()))
        if self.layer is None and not is_empty:
            self._add()
        elif self.layer is not None and is_empty:
            self._viewer.layers.remove(self.layer)
        elif self.layer is not None:
            redraw(self.layer)

    def _describe(self) -> None:
        """Give napari the table that it shows for the label under the cursor."""
        if self.layer is not None:
            self.layer.features = self._features()

    def _features(self) -> dict[str, Any]:
        ids = list(self.objects)
        ones = list(self.objects.values())
        likenesses = [np.nan if one.likeness is None else one.likeness for one in ones]
        return {
            "index": ids,
            "frame": [one.frame for one in ones],
            "score": [round(one.score, 3) for one in ones],
            "likeness": np.round(np.array(likenesses, float), 3),
        }

    def _add(self) -> None:
        from napari.layers import Labels

        self._layer = Labels(
            layer_data(self._view),
            name=f"{self._image.name} found",
            colormap=object_colormap(),
            opacity=OPACITY,
            **placement(self._image),
        )
        keep_on(self._image, self._layer)
        insert_quietly(self._viewer, self._layer, above=[self._image])

    def _painted(self, label: int, frame: int) -> None:
        mask = self._masklets.get(label, frame)
        if mask is None:
            return
        if label in self.objects and self.objects[label].frame == frame:
            self.objects[label].mask = mask
        elif label not in self.objects:
            self._largest = max(self._largest, label)
            self.objects[label] = FoundObject(frame, mask, 1.0)  # the user is sure
