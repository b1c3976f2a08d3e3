"""Track everything by finding the objects of each frame and linking them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.api.linking import Linking, Masks
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.automatic.divisions import Division, division_score
from sam2_torch.automatic.instances import load_instance_decoder
from sam2_torch.automatic.mask_generator import Everything, segment_everything
from sam2_torch.automatic.options import EverythingOptions, SeedGrid, TrackOptions
from sam2_torch.automatic.overlaps import covered_shares, is_new
from sam2_torch.automatic.track_everything import TrackedObject, TrackEverything, TrackStep
from sam2_torch.sessions.video_session import VideoSession

if TYPE_CHECKING:
    from sam2_torch.automatic.found_masks import AutomaticMask
    from sam2_torch.inputs.frames import Frames
    from sam2_torch.masks import SparseMask

GAP = 3
"""Frames in which an object may be missing."""

LEAST_AGREEMENT = 0.5
"""Smallest share of the network's own masks that the instance decoder finds, too."""

OWN_MASKS = EverythingOptions(SeedGrid(16, crop_layers=0), min_score=0.5, by="grid")
"""How the network's own masks are found to compare with."""

MATCH = 0.5  # IoU


class FindAndLink:
    """Find the objects of each frame by the instance decoder, link them, and fill gaps.

    Parameters
    ----------
    session
        A session of the movie for this alone: it is reset for each frame.
    frames, options, new_id, known
        As for `TrackEverything`.

    Attributes
    ----------
    objects, masks, divisions
        As of `TrackEverything`; both daughters of a division are new objects.
    """

    def __init__(
        self,
        session: VideoSession,
        frames: "Frames",
        options: TrackOptions,
        *,
        new_id: Callable[[], int] | None = None,
        known: Callable[[int], Masks] = lambda frame: {},
    ) -> None:
        self.objects: dict[int, TrackedObject] = {}
        self.masks: dict[tuple[int, int], SparseMask] = {}
        self.divisions: list[Division] = []
        self._session = session
        self._frames = frames
        self._options = options
        self._known = known
        self._found: dict[int, AutomaticMask] = {}  # of the frame that is linked, by label
        self._labels = Masklets(session.n_frames, session.frame_shape)
        self._linking = Linking(session, Tracked(self._labels), gap=GAP, new_id=new_id)

    def run(self) -> Iterator[TrackStep]:
        """Find and link; closing the generator stops and keeps what was linked."""
        n = self._session.n_frames
        try:
            with closing(self._linking.run()) as linked:  # type: ignore[type-var]
                for frame in range(n):
                    self._find(frame)  # right before it is linked: its embedding is still there
                    done = next(linked)
                    for (i, gap), mask in self._linking.filled.items():
                        yield TrackStep(done, n, gap, {i: mask}, {})
                    found = self._take(frame)
                    masks = {i: one.sparse for i, one in found.items()}
                    yield TrackStep(done, n, frame, masks, {}, found)
        finally:
            self._finish()

    def _find(self, frame: int) -> None:
        everything = Everything(
            self._session.model,
            self._frames[frame],
            self._options.everything,
            contrast=self._session.contrast,
            embedding=self._session.embedding(frame),
        )
        for _ in everything.run():
            pass
        found = everything.masks()
        shares, _ = covered_shares([one.sparse for one in found], self._known(frame))
        new = is_new(shares, self._options.max_covered)
        for label, (one, is_free) in enumerate(zip(found, new, strict=True), start=1):
            if is_free:
                self._found[label] = one
                self._labels.set(label, frame, one.sparse)

    def _take(self, frame: int) -> "dict[int, AutomaticMask]":
        """Return what was found in a frame by its object id."""
        found = {i: self._found.pop(label) for label, i in self._linking.ids.items()}
        for i, one in found.items():
            begun = self.objects.setdefault(i, TrackedObject(i, frame, one, frame, frame))
            begun.end = frame
        return found

    def _finish(self) -> None:
        """Collect the masks, those of filled gaps among them, and the divisions."""
        masklets, lineage = self._linking.masklets, self._linking.lineage
        for i in masklets.object_ids:
            found = {(i, frame): masklets.get(i, frame) for frame in masklets.frames(i)}
            self.masks |= {place: mask for place, mask in found.items() if mask}
        for mother in dict.fromkeys(lineage.parents.values()):
            one, other = lineage.daughters(mother)
            frame = self.objects[mother].end
            masks = [self.masks[i, frame + 1] for i in (one, other)]
            score = division_score(self.masks[mother, frame], (masks[0], masks[1]))
            self.divisions.append(Division(frame, mother, (one, other), score))


class TrackAll:
    """Track everything: find and link, or propagate where the decoder misses what is there.

    The instance decoder of the network finds the objects of each frame if it also finds most of
    those that the network segments from a grid of points in the first and the middle frame.
    Otherwise, and if the options exclude the decoder or choose the seed frames, objects are
    propagated from seed frames (`TrackEverything`).

    Parameters
    ----------
    session
        A session of the movie, for `TrackEverything`.
    alone
        Returns another session of the movie, for `FindAndLink`; None for a stack, in which
        nothing divides.
    frames, options, new_id, known
        As for `TrackEverything`.
    """

    def __init__(  # what both ways need
        self,
        session: VideoSession,
        alone: Callable[[], VideoSession] | None,
        frames: "Frames",
        options: TrackOptions | None = None,
        *,
        new_id: Callable[[], int] | None = None,
        known: Callable[[int], Masks] = lambda frame: {},
    ) -> None:
        self._session = session
        self._frames = frames
        self._options = options or TrackOptions()
        self._alone = alone
        self._identities: Any = {"new_id": new_id, "known": known}
        self.way: FindAndLink | TrackEverything = TrackEverything(
            session, frames, self._options, **self._identities
        )

    def run(self) -> Iterator[TrackStep]:
        """Track; closing the generator stops and keeps what was done."""
        options = self._options
        by_decoder = options.everything.by == "decoder" and options.seed_frames == "every"
        if self._alone and by_decoder:
            middle = len(self._frames) // 2
            agreement = [self._agreement(frame) for frame in dict.fromkeys((0, middle))]
            if np.mean(agreement) >= LEAST_AGREEMENT:
                self.way = FindAndLink(self._alone(), self._frames, options, **self._identities)
        with closing(self.way.run()) as run:  # type: ignore[type-var]
            yield from run

    def _agreement(self, frame: int) -> float:
        """Return the share of the network's own masks that the decoder finds, too, 0 to 1."""
        if load_instance_decoder(self._session.model) is None:
            return 0.0
        found, own = (
            segment_everything(
                self._session.model,
                self._frames[frame],
                options,
                contrast=self._session.contrast,
                embedding=self._session.embedding(frame),
            )
            for options in (self._options.everything, OWN_MASKS)
        )
        matched = [any(a.sparse.iou(b.sparse) > MATCH for b in found) for a in own]
        return float(np.mean(matched)) if own and found else float(not own)
