"""Tracks: when each object begins and ends, and which object it descends from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Track:
    """One object's row in the lineage.

    Parameters
    ----------
    object_id
        1 or more; the value of its pixels in label images.
    begin, end
        First and last frame; None for as far as its masks go.
    parent
        The object that it comes from by division; 0 for none.

    Raises
    ------
    ValueError
        If the id is not positive, or the track ends before it begins.
    """

    object_id: int
    begin: int | None = None
    end: int | None = None
    parent: int = 0

    def __post_init__(self) -> None:
        if self.object_id < 1:
            raise ValueError(
                f"object id: expected 1 or more (0 is background), found {self.object_id}"
            )
        if self.begin is not None and self.begin < 0:
            raise ValueError(
                f"object {self.object_id}: expected to begin at frame 0 or later, "
                f"found {self.begin}"
            )
        if self.begin is not None and self.end is not None and self.end < self.begin:
            raise ValueError(
                f"object {self.object_id}: expected its end at frame {self.begin}, where it "
                f"begins, or later; found {self.end}"
            )

    def spans(self, frame: int) -> bool:
        """Return whether the object may be in a frame."""
        return not (
            (self.begin is not None and frame < self.begin)
            or (self.end is not None and frame > self.end)
        )


class Lineage:
    """The tracks of a movie; immutable: `lineage_operations` returns changed copies.

    Parameters
    ----------
    tracks
        One for each object that has a begin, an end or a parent; others are optional.

    Raises
    ------
    ValueError
        If an object has two tracks, a parent has none, or a daughter does not begin after her
        mother's end.
    """

    def __init__(self, tracks: Iterable[Track] = ()) -> None:
        rows = list(tracks)
        self._tracks = {track.object_id: track for track in sorted(rows, key=lambda t: t.object_id)}
        if len(self._tracks) < len(rows):
            ids = [track.object_id for track in rows]
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise ValueError(f"lineage: expected one track for each object, found two of {twice}")
        for track in rows:
            if track.parent:
                self._check_link(track)

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks.values())

    def __len__(self) -> int:
        return len(self._tracks)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._tracks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lineage) and self._tracks == other._tracks

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Lineage({list(self)})"

    def __getitem__(self, object_id: int) -> Track:
        """Return the track of an object; one without begin, end and parent if it has none."""
        return self._tracks.get(object_id) or Track(object_id)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Return the objects that have a track, ascending."""
        return tuple(self._tracks)

    @property
    def parents(self) -> dict[int, int]:
        """Return the mother of each daughter."""
        return {track.object_id: track.parent for track in self if track.parent}

    def daughters(self, object_id: int) -> tuple[int, ...]:
        """Return the daughters of an object, ascending."""
        return tuple(track.object_id for track in self if track.parent == object_id)

    def spans(self, object_id: int, frame: int) -> bool:
        """Return whether an object may be in a frame."""
        return self[object_id].spans(frame)

    def including(self, *tracks: Track) -> "Lineage":
        """Return a copy with these tracks in place of those of the same objects."""
        return Lineage({**self._tracks, **{track.object_id: track for track in tracks}}.values())

    def resolved(self, frames: Mapping[int, Sequence[int]]) -> "Lineage":
        """Return the lineage with the first and last frame of each object's masks.

        Parameters
        ----------
        frames
            The frames in which each object has a mask, ascending.

        Returns
        -------
        One track for each object with a mask. Daughters of a mother without a mask have no parent.
        """
        seen = {
            object_id: [frame for frame in known if self.spans(object_id, frame)]
            for object_id, known in frames.items()
        }
        seen = {object_id: known for object_id, known in seen.items() if known}
        return Lineage(
            Track(
                object_id,
                known[0],
                known[-1],
                self[object_id].parent if self[object_id].parent in seen else 0,
            )
            for object_id, known in seen.items()
        )

    def _check_link(self, track: Track) -> None:
        mother = self._tracks.get(track.parent)
        if mother is None:
            raise ValueError(
                f"object {track.object_id}: expected a parent that is there, "
                f"found {track.parent}; the objects are {list(self.object_ids)}"
            )
        if mother.end is None or track.begin is None or mother.end >= track.begin:
            raise ValueError(
                f"object {track.object_id}: expected to begin after the end of its parent "
                f"{mother.object_id}, found {track} and {mother}"
            )
