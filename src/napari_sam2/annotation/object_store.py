"""The objects of a movie with their masks and scores: to values of a history, and from them."""

from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING

from napari_sam2.annotation.drawn_prompts import Marks, ObjectFrame
from napari_sam2.annotation.history import Changes, Key, Kind, StoredMask, Value
from napari_sam2.annotation.objects import ObjectRecord, Objects
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.tracks.lineage import Track

if TYPE_CHECKING:
    from sam2_torch.masks import SparseMask


class KnownObjects:
    """What is there of all objects now; what was there before is the history's.

    Parameters
    ----------
    n_frames, frame_shape
        Length of the movie, (H, W) in pixels.

    Attributes
    ----------
    objects, masklets, confidence
        The objects, their masks, and the network's scores of these.
    """

    def __init__(self, n_frames: int, frame_shape: tuple[int, int]) -> None:
        self.objects = Objects()
        self.masklets = Masklets(n_frames, frame_shape)
        self.confidence: dict[ObjectFrame, Confidence] = {}

    def records(self, object_ids: Iterable[int]) -> dict[Key, Value]:
        """Read what is said of those objects that are there."""
        there = self.objects.ids
        return {Key(Kind.OBJECT, i): self.objects.record(i) for i in object_ids if i in there}

    def stored_masks(self, places: Iterable[ObjectFrame]) -> Changes:
        """Read masks with their scores; None where there is none."""
        return {Key(Kind.MASK, *place): self._stored(place) for place in places}

    def given_masks(
        self,
        masks: "Mapping[int, Mapping[int, SparseMask]]",
        names: Mapping[int, str],
        known: Container[Key],
    ) -> Changes:
        """Give the values that make masks, by object id and frame, the user's word.

        Parameters
        ----------
        masks
            By object id and frame.
        names
            What objects are called; those that are not known get a name in any case.
        known
            The keys that a history has.

        Raises
        ------
        ValueError
            If a mask is not of the frames' shape, or a frame is outside of the movie.
        """
        trial = Masklets(self.masklets.n_frames, self.masklets.frame_shape)
        changes: dict[Key, Value | None] = {}
        for object_id, by_frame in masks.items():
            for frame, mask in by_frame.items():
                trial.set(object_id, frame, mask)
                packed = trial.packed(object_id, frame)
                assert packed is not None, "it was put there just now"
                changes[Key(Kind.MASK, object_id, frame)] = StoredMask(packed)
                changes[Key(Kind.MARKS, object_id, frame)] = Marks(painted=mask)
            key = Key(Kind.OBJECT, object_id)
            if object_id in names or key not in known:
                changes[key] = ObjectRecord(names.get(object_id, f"Object {object_id}"))
        return changes

    def put(self, changes: Changes) -> None:
        """Put values in place; what is drawn is none of them."""
        for key, value in sorted(changes.items(), key=lambda change: change[0]):
            if isinstance(value, StoredMask):
                self._put_mask(key.place, value)
            elif isinstance(value, ObjectRecord):
                self.objects.set(key.object_id, value)
            elif key.kind == Kind.TRACK:
                self._bound(key.object_id, value)
            elif value is None and key.kind == Kind.MASK:
                self.masklets.remove(*key.place)
                self.confidence.pop(key.place, None)
            elif value is None and key.kind == Kind.OBJECT:
                self._remove(key.object_id)

    def _stored(self, place: ObjectFrame) -> StoredMask | None:
        packed = self.masklets.packed(*place)
        return None if packed is None else StoredMask(packed, self.confidence.get(place))

    def _put_mask(self, place: ObjectFrame, stored: StoredMask) -> None:
        self.objects.include(place[0])
        self.masklets.put(*place, stored.packed)
        if stored.confidence is None:
            self.confidence.pop(place, None)
        else:
            self.confidence[place] = stored.confidence

    def _bound(self, object_id: int, track: Value | None) -> None:
        if isinstance(track, Track):
            self.objects.bound(object_id, track.begin, track.end)
        else:
            self.objects.bound(object_id, None, None)

    def _remove(self, object_id: int) -> None:
        self.objects.remove(object_id)
        self.masklets.remove(object_id)
        for place in [place for place in self.confidence if place[0] == object_id]:
            del self.confidence[place]
