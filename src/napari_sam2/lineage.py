"""Which object is which from begin to end, and who descends from whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

NOWHERE = 0
"""Target of a move that takes masks away; no object has this id."""


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
        """Tell whether the object may be in a frame."""
        return not (
            (self.begin is not None and frame < self.begin)
            or (self.end is not None and frame > self.end)
        )


@dataclass(frozen=True)
class Move:
    """Masks that go from one object to another.

    Parameters
    ----------
    source, target
        Object ids; the target 0 takes the masks away.
    first, stop
        First frame and the one after the last.
    """

    source: int
    target: int
    first: int
    stop: int


@dataclass(frozen=True)
class Edit:
    """What an operation comes to: the lineage after it, and the masks to move, all at once."""

    lineage: "Lineage"
    moves: tuple[Move, ...] = ()


class Lineage:
    """The tracks of a movie; never changed, each operation makes a new one.

    Parameters
    ----------
    tracks
        One for each object that has a begin, an end or a parent; others may be left out.

    Raises
    ------
    ValueError
        If an object is there twice, a parent is not there, or a daughter does not begin
        after its mother's end.
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
        """Look up a track; an object of which nothing is said has neither begin nor end."""
        return self._tracks.get(object_id) or Track(object_id)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """List the objects of which something is said, ascending."""
        return tuple(self._tracks)

    @property
    def parents(self) -> dict[int, int]:
        """List the mother of each daughter."""
        return {track.object_id: track.parent for track in self if track.parent}

    def daughters(self, object_id: int) -> tuple[int, ...]:
        """List the objects that an object divides into, ascending."""
        return tuple(track.object_id for track in self if track.parent == object_id)

    def spans(self, object_id: int, frame: int) -> bool:
        """Tell whether an object may be in a frame."""
        return self[object_id].spans(frame)

    def including(self, *tracks: Track) -> "Lineage":
        """Make a lineage with these tracks in place of those of the same objects."""
        return Lineage({**self._tracks, **{track.object_id: track for track in tracks}}.values())

    def without(self, object_id: int) -> "Lineage":
        """Make a lineage without an object; its daughters have no mother then."""
        return Lineage(
            replace(track, parent=0) if track.parent == object_id else track
            for track in self
            if track.object_id != object_id
        )

    def resolved(self, frames: Mapping[int, Sequence[int]]) -> "Lineage":
        """Say where each object really begins and ends.

        Parameters
        ----------
        frames
            The frames in which each object has a mask, ascending.

        Returns
        -------
        One track for each object with a mask, from its first to its last one. An object
        whose mother has none is without a mother.
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

    def fork(self, mother: int, frame: int, daughters: tuple[int, int]) -> Edit:
        """Let an object divide: it ends before `frame`, in which its daughters begin.

        Raises
        ------
        ValueError
            If the mother is not there before the frame, divides later already, or the
            daughters are not two new objects.
        """
        track = self[mother]
        if frame < 1 or (track.begin is not None and frame <= track.begin):
            raise ValueError(
                f"object {mother}: expected a division after its first frame, found frame {frame}"
            )
        self._refuse_daughters(mother)
        self._check_new(mother, *daughters)
        lineage = self.including(
            replace(track, end=frame - 1),
            *(Track(daughter, frame, parent=mother) for daughter in daughters),
        )
        return Edit(lineage, (Move(mother, NOWHERE, frame, _LAST),))

    def finish(self, object_id: int, frame: int) -> Edit:
        """Let an object end with `frame`: it dies, or leaves the field of view.

        Raises
        ------
        ValueError
            If it has daughters, or begins later.
        """
        self._refuse_daughters(object_id)
        lineage = self.including(replace(self[object_id], end=frame))
        return Edit(lineage, (Move(object_id, NOWHERE, frame + 1, _LAST),))

    def start(self, object_id: int, frame: int) -> Edit:
        """Let an object begin with `frame`: it enters the field of view.

        Raises
        ------
        ValueError
            If it ends earlier, or its mother later.
        """
        lineage = self.including(replace(self[object_id], begin=frame))
        return Edit(lineage, (Move(object_id, NOWHERE, 0, frame),))

    def part(self, mother: int, frame: int, rest: int, daughter: int) -> Edit:
        """Let an object divide into an object that is there and what comes of itself later.

        Parameters
        ----------
        mother, frame
            As for `fork`.
        rest
            A new object: the mother's masks from `frame` on.
        daughter
            The other daughter; it begins in `frame`.

        Raises
        ------
        ValueError
            As for `fork`.
        """
        self._refuse_daughters(mother)
        halves = self.cut(mother, frame, rest)
        lineage = halves.lineage.including(
            replace(halves.lineage[rest], parent=mother),
            Track(daughter, frame, self[daughter].end, mother),
        )
        return Edit(lineage, (*halves.moves, Move(daughter, NOWHERE, 0, frame)))

    def adopt(self, mother: int, frame: int, daughters: tuple[int, int]) -> Edit:
        """Let an object divide into two that are there; parameters and errors as for `fork`."""
        self._refuse_daughters(mother)
        first = self.link(mother, daughters[0], frame)
        second = first.lineage.link(mother, daughters[1], frame)
        return Edit(second.lineage, tuple(dict.fromkeys(first.moves + second.moves)))

    def cut(self, object_id: int, frame: int, new_id: int) -> Edit:
        """Cut a track in two: from `frame` on it is a new object, which takes the daughters.

        Raises
        ------
        ValueError
            If the object begins in the frame or later, or the new object is there already.
        """
        track = self[object_id]
        if frame < 1 or (track.begin is not None and frame <= track.begin):
            raise ValueError(
                f"object {object_id}: expected a cut after its first frame, found frame {frame}"
            )
        if track.end is not None and frame > track.end:
            raise ValueError(f"object {object_id} ends at frame {track.end}, before frame {frame}")
        self._check_new(object_id, new_id)
        parts = (replace(track, end=frame - 1), Track(new_id, frame, track.end))
        lineage = self._with_heirs({object_id: new_id}, *parts)
        return Edit(lineage, (Move(object_id, new_id, frame, _LAST),))

    def split(self, object_id: int, frame: int, new_id: int) -> Edit:
        """Take a second object out of one that was both: it begins in `frame`, without a mother.

        Raises
        ------
        ValueError
            If the object is not in the frame, or the new object is there already.
        """
        if not self.spans(object_id, frame):
            raise ValueError(f"object {object_id} is not in frame {frame}: {self[object_id]}")
        self._check_new(object_id, new_id)
        return Edit(self.including(Track(new_id, frame)))

    def merge(self, first: int, second: int) -> Edit:
        """Make two objects one: the second's masks become the first's, where both are, both.

        It begins where the earlier one begins, ends where the later one ends, and has the
        daughters of both.

        Raises
        ------
        ValueError
            If they are the same, or daughters would begin before the end of the whole.
        """
        if first == second:
            raise ValueError(f"expected two objects to merge, found object {first} twice")
        early, late = sorted((self[first], self[second]), key=_begins)
        end = max(early, late, key=_ends).end
        joined = Track(first, early.begin, end, early.parent)
        lineage = self._with_heirs({second: first}, joined)
        return Edit(lineage, (Move(second, first, 0, _LAST),))

    def swap(self, first: int, second: int, frame: int) -> Edit:
        """Exchange two objects from `frame` on: masks, ends and daughters.

        Raises
        ------
        ValueError
            If they are the same, or not both are there before the frame and in it.
        """
        if first == second:
            raise ValueError(f"expected two objects to swap, found object {first} twice")
        one, other = self[first], self[second]
        for track in (one, other):
            if not (track.spans(frame - 1) and track.spans(frame)):
                raise ValueError(
                    f"object {track.object_id}: expected to be there in the frames {frame - 1} "
                    f"and {frame}, found {track}"
                )
        lineage = self._with_heirs(
            {first: second, second: first}, replace(one, end=other.end), replace(other, end=one.end)
        )
        moves = (Move(first, second, frame, _LAST), Move(second, first, frame, _LAST))
        return Edit(lineage, moves)

    def unlink(self, object_id: int) -> Edit:
        """Let an object be without a mother."""
        return Edit(self.including(replace(self[object_id], parent=0)))

    def link(self, mother: int, daughter: int, frame: int) -> Edit:
        """Make one object, which begins in `frame`, the daughter of another.

        The mother ends before, unless she has daughters already: then she ends where she does.

        Raises
        ------
        ValueError
            If the mother begins in the frame or later, or ends in it or later.
        """
        older = self[mother]
        end = older.end if self.daughters(mother) else frame - 1
        if frame < 1 or (older.begin is not None and frame <= older.begin):
            raise ValueError(
                f"object {mother}: expected a daughter after its first frame, found frame {frame}"
            )
        lineage = self.including(
            replace(older, end=end), Track(daughter, frame, self[daughter].end, mother)
        )
        moves = (Move(mother, NOWHERE, frame, _LAST), Move(daughter, NOWHERE, 0, frame))
        return Edit(lineage, moves)

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

    def _check_new(self, *object_ids: int) -> None:
        old, *new = object_ids
        taken = [i for i in new if i in self._tracks or i == old]
        if taken or len(set(new)) < len(new):
            raise ValueError(f"expected new objects, found {new}, of which {taken} are there")

    def _refuse_daughters(self, object_id: int) -> None:
        if daughters := self.daughters(object_id):
            raise ValueError(
                f"object {object_id} divides already into {list(daughters)}: delete or unlink "
                "these first"
            )

    def _with_heirs(self, heirs: Mapping[int, int], *tracks: Track) -> "Lineage":
        """Make a lineage with these tracks, in which others' daughters belong to the heirs."""
        replaced = {track.object_id for track in tracks} | set(heirs)
        others = (
            replace(track, parent=heirs.get(track.parent, track.parent))
            for track in self
            if track.object_id not in replaced
        )
        return Lineage([*others, *tracks])


_LAST = 2**31  # beyond any movie
"""`stop` of a move that goes on to the end."""


def _begins(track: Track) -> int:
    return -1 if track.begin is None else track.begin


def _ends(track: Track) -> int:
    return _LAST if track.end is None else track.end
