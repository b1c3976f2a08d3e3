"""Operations on a lineage: divide, cut, split, merge, swap, end and link tracks.

Each returns the new lineage and the masks that move; nothing is changed in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from napari_sam2.tracks.lineage import Lineage, Track

NOWHERE = 0
"""Target of a move that takes masks away; no object has this id."""

_LAST = 2**31  # beyond any movie: `stop` of a move that goes on to the end


@dataclass(frozen=True)
class Move:
    """Masks to move from one object to another.

    Parameters
    ----------
    source, target
        Object ids; the target `NOWHERE` removes the masks.
    first, stop
        First frame and the one after the last.
    """

    source: int
    target: int
    first: int
    stop: int


@dataclass(frozen=True)
class Edit:
    """Result of an operation: the lineage after it, and the masks to move, all at once."""

    lineage: Lineage
    moves: tuple[Move, ...] = ()


def divide(lineage: Lineage, mother: int, frame: int, daughters: tuple[int, int]) -> Edit:
    """Divide an object: it ends before `frame`, in which two new daughters begin.

    Raises
    ------
    ValueError
        If the mother is not there before the frame, has daughters already, or the daughters are
        not two new objects.
    """
    track = lineage[mother]
    if frame < 1 or (track.begin is not None and frame <= track.begin):
        raise ValueError(
            f"object {mother}: expected a division after its first frame, found frame {frame}"
        )
    _refuse_daughters(lineage, mother)
    _check_new(lineage, mother, *daughters)
    lineage = lineage.including(
        replace(track, end=frame - 1),
        *(Track(daughter, frame, parent=mother) for daughter in daughters),
    )
    return Edit(lineage, (Move(mother, NOWHERE, frame, _LAST),))


def finish(lineage: Lineage, object_id: int, frame: int) -> Edit:
    """End an object with `frame`: it dies, or leaves the field of view.

    Raises
    ------
    ValueError
        If it has daughters, or begins later.
    """
    _refuse_daughters(lineage, object_id)
    lineage = lineage.including(replace(lineage[object_id], end=frame))
    return Edit(lineage, (Move(object_id, NOWHERE, frame + 1, _LAST),))


def start(lineage: Lineage, object_id: int, frame: int) -> Edit:
    """Begin an object with `frame`: it enters the field of view.

    Raises
    ------
    ValueError
        If it ends earlier, or its mother later.
    """
    lineage = lineage.including(replace(lineage[object_id], begin=frame))
    return Edit(lineage, (Move(object_id, NOWHERE, 0, frame),))


def divide_into(lineage: Lineage, mother: int, frame: int, rest: int, daughter: int) -> Edit:
    """Divide an object into its own masks from `frame` on and an existing object.

    Parameters
    ----------
    lineage, mother, frame
        As for `divide`.
    rest
        New id for the mother's masks from `frame` on.
    daughter
        The other daughter, an existing object; it begins in `frame`.

    Raises
    ------
    ValueError
        As for `divide`.
    """
    _refuse_daughters(lineage, mother)
    halves = cut(lineage, mother, frame, rest)
    lineage = halves.lineage.including(
        replace(halves.lineage[rest], parent=mother),
        Track(daughter, frame, lineage[daughter].end, mother),
    )
    return Edit(lineage, (*halves.moves, Move(daughter, NOWHERE, 0, frame)))


def assign_daughters(lineage: Lineage, mother: int, frame: int, daughters: tuple[int, int]) -> Edit:
    """Make two existing objects the daughters of another; parameters as for `divide`."""
    _refuse_daughters(lineage, mother)
    first = link(lineage, mother, daughters[0], frame)
    second = link(first.lineage, mother, daughters[1], frame)
    return Edit(second.lineage, tuple(dict.fromkeys(first.moves + second.moves)))


def cut(lineage: Lineage, object_id: int, frame: int, new_id: int) -> Edit:
    """Cut a track in two: from `frame` on it is a new object, which takes the daughters.

    Raises
    ------
    ValueError
        If the object begins in the frame or later, or the new object exists already.
    """
    track = lineage[object_id]
    if frame < 1 or (track.begin is not None and frame <= track.begin):
        raise ValueError(
            f"object {object_id}: expected a cut after its first frame, found frame {frame}"
        )
    if track.end is not None and frame > track.end:
        raise ValueError(f"object {object_id} ends at frame {track.end}, before frame {frame}")
    _check_new(lineage, object_id, new_id)
    parts = (replace(track, end=frame - 1), Track(new_id, frame, track.end))
    lineage = _with_heirs(lineage, {object_id: new_id}, *parts)
    return Edit(lineage, (Move(object_id, new_id, frame, _LAST),))


def split(lineage: Lineage, object_id: int, frame: int, new_id: int) -> Edit:
    """Add an object that was part of another one: it begins in `frame`, without a mother.

    Raises
    ------
    ValueError
        If the object is not in the frame, or the new object exists already.
    """
    if not lineage.spans(object_id, frame):
        raise ValueError(f"object {object_id} is not in frame {frame}: {lineage[object_id]}")
    _check_new(lineage, object_id, new_id)
    return Edit(lineage.including(Track(new_id, frame)))


def merge(lineage: Lineage, first: int, second: int) -> Edit:
    """Merge two objects: the second's masks become the first's; where both have one, their union.

    The result begins where the earlier one begins, ends where the later one ends, and has the
    daughters of both.

    Raises
    ------
    ValueError
        If they are the same, or daughters would begin before the end of the result.
    """
    if first == second:
        raise ValueError(f"expected two objects to merge, found object {first} twice")
    early, late = sorted((lineage[first], lineage[second]), key=_begins)
    end = max(early, late, key=_ends).end
    joined = Track(first, early.begin, end, early.parent)
    lineage = _with_heirs(lineage, {second: first}, joined)
    return Edit(lineage, (Move(second, first, 0, _LAST),))


def swap(lineage: Lineage, first: int, second: int, frame: int) -> Edit:
    """Exchange two objects from `frame` on: masks, ends and daughters.

    Raises
    ------
    ValueError
        If they are the same, or one of them is not there before the frame and in it.
    """
    if first == second:
        raise ValueError(f"expected two objects to swap, found object {first} twice")
    one, other = lineage[first], lineage[second]
    for track in (one, other):
        if not (track.spans(frame - 1) and track.spans(frame)):
            raise ValueError(
                f"object {track.object_id}: expected to be there in the frames {frame - 1} "
                f"and {frame}, found {track}"
            )
    lineage = _with_heirs(
        lineage,
        {first: second, second: first},
        replace(one, end=other.end),
        replace(other, end=one.end),
    )
    moves = (Move(first, second, frame, _LAST), Move(second, first, frame, _LAST))
    return Edit(lineage, moves)


def unlink(lineage: Lineage, object_id: int) -> Edit:
    """Remove the mother of an object."""
    return Edit(lineage.including(replace(lineage[object_id], parent=0)))


def link(lineage: Lineage, mother: int, daughter: int, frame: int) -> Edit:
    """Make an object, which begins in `frame`, the daughter of another.

    The mother ends before, unless she has daughters already: then her end stays.

    Raises
    ------
    ValueError
        If the mother begins in the frame or later, or ends in it or later.
    """
    older = lineage[mother]
    end = older.end if lineage.daughters(mother) else frame - 1
    if frame < 1 or (older.begin is not None and frame <= older.begin):
        raise ValueError(
            f"object {mother}: expected a daughter after its first frame, found frame {frame}"
        )
    lineage = lineage.including(
        replace(older, end=end), Track(daughter, frame, lineage[daughter].end, mother)
    )
    moves = (Move(mother, NOWHERE, frame, _LAST), Move(daughter, NOWHERE, 0, frame))
    return Edit(lineage, moves)


def _check_new(lineage: Lineage, *object_ids: int) -> None:
    old, *new = object_ids
    taken = [i for i in new if i in lineage or i == old]
    if taken or len(set(new)) < len(new):
        raise ValueError(f"expected new objects, found {new}, of which {taken} are there")


def _refuse_daughters(lineage: Lineage, object_id: int) -> None:
    if daughters := lineage.daughters(object_id):
        raise ValueError(
            f"object {object_id} divides already into {list(daughters)}: delete or unlink "
            "these first"
        )


def _with_heirs(lineage: Lineage, heirs: Mapping[int, int], *tracks: Track) -> Lineage:
    """Return a lineage with these tracks, in which others' daughters belong to the heirs."""
    replaced = {track.object_id for track in tracks} | set(heirs)
    others = (
        replace(track, parent=heirs.get(track.parent, track.parent))
        for track in lineage
        if track.object_id not in replaced
    )
    return Lineage([*others, *tracks])


def _begins(track: Track) -> int:
    return -1 if track.begin is None else track.begin


def _ends(track: Track) -> int:
    return _LAST if track.end is None else track.end
