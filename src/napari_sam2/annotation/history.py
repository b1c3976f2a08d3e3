"""The log of everything done to the objects of a movie: the only state of an annotation.

Everything that can be undone is a value with a key: the record of an object, its prompts on a
frame, its mask there, its lock there (with the prompts from before) and the row of its track.
A step is one action of the user with the values that it changed. Prompts, masks, locks and
objects are properties of the log; undo, redo, session files and the network's session are
derived from it. Undo computes nothing: masks are immutable bytes, and a step keeps those that it
replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.objects import ObjectRecord, Objects
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.tracks.lineage import Track
from napari_sam2.tracks.reviews import WHOLE_TRACK, Review


class Kind(StrEnum):
    """The kinds of values."""

    OBJECT = "object"
    PROMPTS = "marks"
    MASK = "mask"
    LOCK = "lock"
    TRACK = "track"
    REVIEW = "review"
    SETTINGS = "settings"


class Key(NamedTuple):
    """The place of a value: an object and, for prompts, masks, locks and reviews, a frame.

    Settings have the object 0, which is the background.
    """

    kind: Kind
    object_id: int
    frame: int = -1

    @property
    def place(self) -> ObjectFrame:
        """Return object id and frame."""
        return self.object_id, self.frame


@dataclass(frozen=True)
class StoredMask:
    """A mask as `Masklets` keeps it, with the confidence of the network that predicted it."""

    packed: bytes
    confidence: Confidence | None = None


Value: TypeAlias = ObjectRecord | DrawnPrompts | StoredMask | Track | Review | Settings
Changes: TypeAlias = Mapping[Key, Value | None]
"""New values by key; None removes the value."""

SETTINGS_KEY = Key(Kind.SETTINGS, 0)


class Action(StrEnum):
    """The actions of a user that the log holds."""

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
    REVIEW = "review"
    OPEN = "open tracks"
    MODEL = "model"
    SETTINGS = "settings"


@dataclass(frozen=True)
class Entry:
    """One line of the log: never changed, never removed.

    Parameters
    ----------
    step
        Number of its step, from 1 on; a propagation has many entries. 0 cannot be undone.
    action
        The user's action; None if this entry undoes or redoes the step.
    about
        Details for people, such as the direction of a propagation.
    changes
        The new values.
    undone
        Whether this entry undoes the step (True) or redoes it (False); None for any other.
    time
        In UTC.
    """

    step: int
    action: Action | None
    about: str
    changes: Changes
    undone: bool | None
    time: datetime


@dataclass(eq=False)
class Step:
    """One action of the user, which is undone and redone as a whole.

    Parameters
    ----------
    number
        From 1 on.
    action, about
        The action, and details for people.
    before, after
        The values that it replaced, and its own.
    """

    number: int
    action: Action
    about: str
    before: dict[Key, Value | None] = field(default_factory=dict)
    after: dict[Key, Value | None] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Describe the step for a menu."""
        return f"{self.action}: {self.about}" if self.about else str(self.action)


class History:
    """The log of one movie, and the values that follow from it.

    Parameters
    ----------
    n_frames, frame_shape
        Length of the movie, (H, W) in pixels.

    Attributes
    ----------
    values
        The values of now by key. Read them, and change them through `record`, `extend`, `undo`,
        `redo` and `note` alone; so with the properties below, which hold the same values.
    prompts
        Drawn prompts by (object id, frame).
    masklets, confidence
        Masks, and the network's confidence in them by (object id, frame).
    objects
        Records of the objects.
    locks
        The (object id, frame) whose mask is locked.
    pending
        The (object id, frame) of prompts that no mask answers yet.
    entries
        The log.
    """

    def __init__(self, n_frames: int, frame_shape: tuple[int, int]) -> None:
        self.values: dict[Key, Value] = {}
        self.prompts: dict[ObjectFrame, DrawnPrompts] = {}
        self.masklets = Masklets(n_frames, frame_shape)
        self.confidence: dict[ObjectFrame, Confidence] = {}
        self.objects = Objects()
        self.locks: set[ObjectFrame] = set()
        self.pending: set[ObjectFrame] = set()
        self.entries: list[Entry] = []
        self._last = 0
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def is_empty(self) -> bool:
        """Whether the log holds no step."""
        return self._last == 0

    @property
    def settings(self) -> Settings:
        """Model and appearance that masks are made with; the defaults if none were recorded."""
        recorded = self.values.get(SETTINGS_KEY)
        return recorded if isinstance(recorded, Settings) else Settings()

    @property
    def undo_text(self) -> str:
        """Text of the step that `undo` takes back; empty if there is none."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """Text of the step that `redo` repeats; empty if there is none."""
        return self._undone[-1].text if self._undone else ""

    def record(self, action: Action, changes: Changes, about: str = "") -> Step | None:
        """Record an action as a new step.

        Parameters
        ----------
        action, about
            The action, and details for people.
        changes
            New values; those that equal the present ones are left out.

        Returns
        -------
        The step; None, and nothing is recorded, if no value changes.
        """
        changed = self._changed(changes)
        if not changed:
            return None
        step = self._open(action, about)
        self._extend(step, changed)
        return step

    def begin(self, action: Action, about: str = "") -> Step:
        """Record that an action begins; `extend` adds its values."""
        step = self._open(action, about)
        self._write(Entry(step.number, action, about, {}, None, _now()))
        return step

    def extend(self, step: Step, changes: Changes) -> None:
        """Record values that come later than the action that led to them.

        Parameters
        ----------
        step
            Their step. If it was undone meanwhile, nothing is recorded.
        changes
            New values; those that equal the present ones are left out.
        """
        if step not in self._done:
            return
        for key in changes:
            if key.kind == Kind.MASK:
                self.pending.discard(key.place)
        changed = self._changed(changes)
        if changed:
            self._extend(step, changed)

    def step_of(self, key: Key) -> Step | None:
        """Return the last step that changed a value; None if no step did."""
        return next((step for step in reversed(self._done) if key in step.after), None)

    def accepts_mask(self, object_id: int, frame: int) -> bool:
        """Return whether a propagated mask may be recorded.

        Not on a prompted frame, nor where the object is locked, was deleted, or is outside of
        its track.
        """
        objects = self.objects
        is_open = object_id in objects and not objects.is_locked(object_id)
        is_prompted = (object_id, frame) in self.prompts
        return is_open and objects.spans(object_id, frame) and not is_prompted

    def drop_empty(self) -> None:
        """Undo the last step if it changed no value."""
        if self._done and not self._done[-1].after:
            self.undo()

    def undo(self) -> Changes:
        """Undo the last step and return the values that changed."""
        if not self._done:
            return {}
        step = self._done.pop()
        if step.after:
            self._undone.append(step)
        entry = Entry(step.number, None, step.about, dict(step.before), True, _now())
        return self._write(entry)

    def redo(self) -> Changes:
        """Redo the step that was undone last and return the values that changed."""
        if not self._undone:
            return {}
        step = self._undone.pop()
        self._done.append(step)
        entry = Entry(step.number, None, step.about, dict(step.after), False, _now())
        return self._write(entry)

    def note(self, action: Action, about: str, changes: Changes | None = None) -> None:
        """Record what cannot be undone, such as the choice of a model, as step 0."""
        self._write(Entry(0, action, about, dict(changes or {}), None, _now()))

    def restore(self, other: "History") -> Changes:
        """Continue with the log of another history, which was read from a file.

        Returns
        -------
        All values, and None for each key that is gone.
        """
        changes: dict[Key, Value | None] = dict.fromkeys(self.values.keys() - other.values.keys())
        changes |= other.values
        for key, value in changes.items():
            self._set(key, value)
        self.entries, self._last = other.entries, other._last
        self._done, self._undone = other._done, other._undone
        self.pending = other.pending
        return changes

    def replay(self, entry: Entry) -> None:
        """Append an entry that was read from a file.

        Raises
        ------
        ValueError
            If it does not follow from the entries before it.
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
        self.entries[-1] = entry

    def _replay_ordinary(self, entry: Entry, action: Action) -> None:
        if entry.step > self._last:
            self._open(action, entry.about)
        step = next((each for each in reversed(self._done) if each.number == entry.step), None)
        if step is None:
            raise ValueError(f"step {entry.step} was undone: nothing can come of it any more")
        self._extend(step, entry.changes)

    def _changed(self, changes: Changes) -> dict[Key, Value | None]:
        changed = {key: value for key, value in changes.items() if self.values.get(key) != value}
        for _, object_id, frame in [key for key in changed if key.kind == Kind.MASK]:
            for at in (frame, WHOLE_TRACK):  # a review is of the mask that the user saw
                review = Key(Kind.REVIEW, object_id, at)
                if review in self.values and review not in changes:
                    changed[review] = None
        return changed

    def _extend(self, step: Step, changes: Changes) -> None:
        for key, value in changes.items():
            step.before.setdefault(key, self.values.get(key))
            step.after[key] = value
        self._write(Entry(step.number, step.action, step.about, changes, None, _now()))

    def _open(self, action: Action, about: str) -> Step:
        self._undone.clear()
        self._last += 1
        self._done.append(Step(self._last, action, about))
        return self._done[-1]

    def _write(self, entry: Entry) -> Changes:
        for key, value in entry.changes.items():
            self._set(key, value)
        self._update_pending(entry)
        self.entries.append(entry)
        return entry.changes

    def _set(self, key: Key, value: Value | None) -> None:
        """Set or remove one value, in `values` and in the property that holds its kind."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        if key.kind == Kind.MASK:
            self._set_mask(key.place, value)
        elif key.kind == Kind.PROMPTS:
            _put(self.prompts, key.place, value)
        elif key.kind == Kind.LOCK:
            (self.locks.discard if value is None else self.locks.add)(key.place)
        elif key.kind == Kind.TRACK:
            begin, end = (value.begin, value.end) if isinstance(value, Track) else (None, None)
            self.objects.bound(key.object_id, begin, end)
        elif isinstance(value, ObjectRecord):
            self.objects.set(key.object_id, value)
        elif key.kind == Kind.OBJECT:
            self.objects.remove(key.object_id)
            self.masklets.remove(key.object_id)

    def _set_mask(self, place: ObjectFrame, value: Value | None) -> None:
        if not isinstance(value, StoredMask):
            self.masklets.remove(*place)
            self.confidence.pop(place, None)
            return
        self.objects.include(place[0])
        _put(self.confidence, place, value.confidence)
        self.masklets.put(*place, value.packed)  # last: who watches it reads the confidence, too

    def _update_pending(self, entry: Entry) -> None:
        """Note the prompts that the entry leaves without an answer."""
        for key in entry.changes:
            if key.kind not in (Kind.PROMPTS, Kind.MASK):
                continue
            drawn, mask = Key(Kind.PROMPTS, *key.place), Key(Kind.MASK, *key.place)
            is_answered = mask in self.values and (mask in entry.changes or entry.undone)
            if drawn not in self.values or is_answered:
                self.pending.discard(key.place)
            elif drawn in entry.changes:
                self.pending.add(key.place)


def _put(items: dict[ObjectFrame, Any], place: ObjectFrame, value: object) -> None:
    if value is None:
        items.pop(place, None)
    else:
        items[place] = value


def _now() -> datetime:
    return datetime.now(UTC)
