"""All that was done to the objects of a movie, step by step: undo, redo, and what is saved.

Everything that can be undone is a value under a key: what is said of an object, what is drawn
of it in a frame, its mask there, if that is locked, what was drawn before, and where its track
begins and ends and which object it comes from. A step is what
the user did, with the values it left behind. Nothing is computed again by an undo: masks are
immutable bytes, and the history holds on to those that a step replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from napari_sam2.annotation.drawn_prompts import Marks
from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.masks.masklets import Confidence
from napari_sam2.tracks.lineage import Track


class Kind(StrEnum):
    """What a value is about."""

    OBJECT = "object"
    MARKS = "marks"
    MASK = "mask"
    LOCK = "lock"
    TRACK = "track"
    SETTINGS = "settings"


class Key(NamedTuple):
    """Whose value it is: of an object, and, but for what is said of it as a whole, a frame.

    Settings have the object 0, which is none.
    """

    kind: Kind
    object_id: int
    frame: int = -1

    @property
    def place(self) -> tuple[int, int]:
        """Object id and frame."""
        return self.object_id, self.frame


@dataclass(frozen=True)
class StoredMask:
    """A mask as `Masklets` keeps it, with the network's scores if it was the network's."""

    packed: bytes
    confidence: Confidence | None = None


Value: TypeAlias = ObjectRecord | Marks | StoredMask | Track | Settings
Changes: TypeAlias = Mapping[Key, Value | None]
"""The values that keys have from now on; None if nothing is there any more."""


SETTINGS_KEY = Key(Kind.SETTINGS, 0)


class Action(StrEnum):
    """What the user did."""

    PROMPT = "prompt"
    PAINT = "paint"
    PROPAGATE = "propagate"
    CORRECT = "correct"
    NEW = "new object"
    RENAME = "rename"
    CLASSIFY = "classify"
    SHOW = "show or hide"
    LOCK = "lock object"
    LOCK_FRAME = "lock frame"
    DELETE = "delete object"
    DUPLICATE = "duplicate object"
    MERGE = "merge objects"
    ADD_MASKS = "add masks"
    CHOOSE = "choose another mask"
    DIVIDE = "division"
    CUT = "cut track"
    SPLIT = "split object"
    SWAP = "swap tracks"
    END = "end track"
    LINK = "link tracks"
    OPEN = "open tracks"
    MODEL = "model"
    SETTINGS = "settings"


@dataclass(frozen=True)
class Entry:
    """One line of the log: never changed, never taken away.

    Parameters
    ----------
    step
        Which step it belongs to, from 1 on; a propagation has many entries.
    action
        What was done; None if the step is undone or done again by this entry.
    about
        Its details, for people, e.g. the direction.
    changes
        The values from now on.
    undone
        Whether this entry takes the step back (True) or does it again (False); None for
        an ordinary one.
    time
        When, in UTC.
    """

    step: int
    action: Action | None
    about: str
    changes: Changes
    undone: bool | None
    time: datetime


@dataclass
class _Step:
    number: int
    action: Action
    about: str
    before: dict[Key, Value | None]
    after: dict[Key, Value | None]


class History:
    """The log of one movie, and the values as they are now.

    Attributes
    ----------
    values
        What is there now, by key. Read it, change it through `record`, `undo` and `redo`.
    locks
        The (object id, frame) whose mask is locked: asked for often, among many masks.
    entries
        The log.
    """

    def __init__(self) -> None:
        self.values: dict[Key, Value] = {}
        self.locks: set[tuple[int, int]] = set()
        self.entries: list[Entry] = []
        self._last = 0
        self._done: list[_Step] = []
        self._undone: list[_Step] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was done yet that could be undone."""
        return self._last == 0

    @property
    def settings(self) -> Settings:
        """How the masks are made now; the usual where nothing is said of it."""
        said = self.values.get(SETTINGS_KEY)
        return said if isinstance(said, Settings) else Settings()

    @property
    def undo_text(self) -> str:
        """What the next undo takes back; empty if there is nothing."""
        return _text(self._done)

    @property
    def redo_text(self) -> str:
        """What the next redo does again; empty if there is nothing."""
        return _text(self._undone)

    def record(
        self, action: Action, changes: Changes, about: str = "", step: int | None = None
    ) -> int | None:
        """Write down what was done.

        Parameters
        ----------
        action, about
            What it was.
        changes
            What is different now; what is as before is left out.
        step
            An earlier step that this belongs to: its masks come later than its prompts.

        Returns
        -------
        The number of the step; None if it was undone meanwhile or nothing is different: then
        nothing is written.
        """
        changed = {key: value for key, value in changes.items() if self.values.get(key) != value}
        if not changed:
            return None
        number = self._open(action, about) if step is None else step
        if self._find(number) is None:
            return None
        self._extend(Entry(number, action, about, changed, None, _now()))
        return number

    def begin(self, action: Action, about: str = "") -> int:
        """Write down that something begins; what comes of it is recorded as of this step.

        Returns
        -------
        The number of the step.
        """
        number = self._open(action, about)
        self._write(Entry(number, action, about, {}, None, _now()))
        return number

    def drop_empty(self) -> None:
        """Take the last step back if nothing came of it."""
        if self._done and not self._done[-1].after:
            self.undo()

    def undo(self) -> Changes:
        """Take the last step back; returns what is different now."""
        if not self._done:
            return {}
        step = self._done.pop()
        if step.after:
            self._undone.append(step)
        return self._write(Entry(step.number, None, step.about, dict(step.before), True, _now()))

    def redo(self) -> Changes:
        """Do the step again that was taken back last; returns what is different now."""
        if not self._undone:
            return {}
        step = self._undone.pop()
        self._done.append(step)
        return self._write(Entry(step.number, None, step.about, dict(step.after), False, _now()))

    def note(self, action: Action, about: str, changes: Changes | None = None) -> None:
        """Write down what cannot be undone, such as the choice of a model: step 0."""
        self._write(Entry(0, action, about, dict(changes or {}), None, _now()))

    def replay(self, entry: Entry) -> None:
        """Take up an entry that was written to a file.

        Raises
        ------
        ValueError
            If it does not follow from those before it.
        """
        if entry.undone is not None:
            stack = self._done if entry.undone else self._undone
            if not stack or stack[-1].number != entry.step:
                word = "undone" if entry.undone else "done again"
                raise ValueError(f"step {entry.step} cannot be {word} here")
            (self.undo if entry.undone else self.redo)()
        elif entry.action is None or entry.step > self._last + 1:
            raise ValueError(
                f"expected step {self._last + 1} or an earlier one, found {entry.step}"
            )
        elif entry.step == 0:
            self.note(entry.action, entry.about, entry.changes)
        else:
            self._replay_ordinary(entry, entry.action)
            return
        self.entries[-1] = entry

    def _replay_ordinary(self, entry: Entry, action: Action) -> None:
        if entry.step > self._last:
            self._open(action, entry.about)
        self._extend(entry)

    def _extend(self, entry: Entry) -> None:
        """Let an entry be part of its step, and write it down."""
        step = self._find(entry.step)
        if step is None:
            raise ValueError(f"step {entry.step} was undone: nothing can come of it any more")
        for key, value in entry.changes.items():
            step.before.setdefault(key, self.values.get(key))
            step.after[key] = value
        self._write(entry)

    def _open(self, action: Action, about: str) -> int:
        self._undone.clear()
        self._last += 1
        self._done.append(_Step(self._last, action, about, {}, {}))
        return self._last

    def _find(self, number: int) -> _Step | None:
        return next((step for step in reversed(self._done) if step.number == number), None)

    def _write(self, entry: Entry) -> Changes:
        for key, value in entry.changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
            if key.kind == Kind.LOCK:
                (self.locks.discard if value is None else self.locks.add)(key.place)
        self.entries.append(entry)
        return entry.changes


def _text(steps: list[_Step]) -> str:
    if not steps:
        return ""
    step = steps[-1]
    return f"{step.action}: {step.about}" if step.about else str(step.action)


def _now() -> datetime:
    return datetime.now(UTC)
