"""The objects of a movie: ids, names, classes, locks and the frames of their tracks."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ObjectRecord:
    """Properties of one object that the user sets.

    Parameters
    ----------
    name, category
        Its name, and its class, such as a type of cell.
    is_locked
        Whether its masks must not change.
    is_visible
        Whether the layers show it.
    """

    name: str
    category: str = ""
    is_locked: bool = False
    is_visible: bool = True


class Objects:
    """The objects of a movie by id; an id is never reused."""

    def __init__(self) -> None:
        self._records: dict[int, ObjectRecord] = {}
        self._largest = 0
        self._bounds: dict[int, tuple[int | None, int | None]] = {}

    @property
    def ids(self) -> tuple[int, ...]:
        """List the object ids, ascending."""
        return tuple(sorted(self._records))

    @property
    def locked_ids(self) -> tuple[int, ...]:
        """List the ids of locked objects, ascending."""
        return tuple(i for i in self.ids if self._records[i].is_locked)

    def __contains__(self, object_id: int) -> bool:
        return object_id in self._records

    def new(self, name: str | None = None) -> int:
        """Make an object and return its id; its default name is `Object <id>`."""
        object_id = self.next_id()
        self.include(object_id)
        if name is not None:
            self.rename(object_id, name)
        return object_id

    def next_id(self) -> int:
        """Return the id of the next new object."""
        return self._largest + 1

    def include(self, object_id: int) -> None:
        """Make the object with this id unless it exists."""
        self._records.setdefault(object_id, default_record(object_id))
        self._largest = max(self._largest, object_id)

    def name(self, object_id: int) -> str:
        """Return the name of an object.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        return self.record(object_id).name

    def record(self, object_id: int) -> ObjectRecord:
        """Return the record of an object.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        if object_id not in self._records:
            raise KeyError(f"object {object_id} is not there; the objects are {list(self.ids)}")
        return self._records[object_id]

    def set(self, object_id: int, record: ObjectRecord) -> None:
        """Set the record of an object, which is made unless it exists."""
        self.include(object_id)
        self._records[object_id] = record

    def rename(self, object_id: int, name: str) -> None:
        """Rename an object.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._records[object_id] = replace(self.record(object_id), name=name)

    def is_locked(self, object_id: int) -> bool:
        """Return whether the masks of an object must not change; False for an unknown object."""
        record = self._records.get(object_id)
        return record is not None and record.is_locked

    def spans(self, object_id: int, frame: int) -> bool:
        """Return whether a frame lies within the track of an object."""
        begin, end = self._bounds.get(object_id, (None, None))
        return (begin is None or frame >= begin) and (end is None or frame <= end)

    def bound(self, object_id: int, begin: int | None, end: int | None) -> None:
        """Set the first and the last frame of an object's track; None where it has no limit."""
        self._bounds[object_id] = (begin, end)

    def remove(self, object_id: int) -> None:
        """Remove an object; an unknown one is ignored."""
        self._records.pop(object_id, None)
        self._bounds.pop(object_id, None)


def default_record(object_id: int) -> ObjectRecord:
    """Return the record of a new object."""
    return ObjectRecord(f"Object {object_id}")
