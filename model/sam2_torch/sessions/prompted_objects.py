"""Prompts and memory banks of all objects in a movie."""

from collections.abc import Iterable

from sam2_torch.inputs.frames import Crop
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.sessions.prompt_answers import PromptedFrame


class PromptedObjects:
    """The state of one movie: prompts and memories by object, and what changed.

    Attributes
    ----------
    banks
        Memory banks by object id, in the order in which objects were first prompted.
    frames
        Prompts by object id and frame.
    changed
        Frames by object id whose prompts no propagation has taken up yet.
    """

    def __init__(self) -> None:
        self.banks: dict[int, MemoryBank] = {}
        self.changed: dict[int, set[int]] = {}
        self.frames: dict[tuple[int, int], PromptedFrame] = {}

    def bank(self, object_id: int) -> MemoryBank:
        """Return the memory bank of an object.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        if object_id not in self.banks:
            raise KeyError(
                f"object {object_id}: expected one of {list(self.banks)}; prompt it first"
            )
        return self.banks[object_id]

    def prompted_frame(self, object_id: int, frame: int) -> PromptedFrame:
        """Return the prompts of an object on a frame.

        Raises
        ------
        KeyError
            If there is no such object, or it has no prompt on this frame.
        """
        self.bank(object_id)
        if (object_id, frame) not in self.frames:
            raise KeyError(f"object {object_id} has no prompt on frame {frame}")
        return self.frames[object_id, frame]

    def prompted(self, object_ids: Iterable[int]) -> dict[int, list[int]]:
        """Return the prompted frames of those objects that have any, in order."""
        frames = {i: self.banks[i].prompted_frames() for i in object_ids if i in self.banks}
        return {i: prompted for i, prompted in frames.items() if prompted}

    def is_unchanged(self, object_id: int) -> bool:
        """Return whether an object is there and its prompts are those of its propagation."""
        return object_id in self.banks and object_id not in self.changed

    def crops_in_use(self, frame: int) -> list[Crop | None]:
        """List the crop windows in which objects are seen on a frame."""
        memories = [bank.latest(frame) for bank in self.banks.values()]
        return [memory.crop for memory in memories if memory is not None]

    def put(self, object_id: int, frame: int, found: PromptedFrame) -> None:
        """Keep the answer to prompts; an unknown object becomes a new one."""
        before = self.frames.get((object_id, frame))
        self.frames[object_id, frame] = found
        if before is not None and found.memory is before.memory:
            return
        bank = self.banks.setdefault(object_id, MemoryBank())
        if not found.is_refined:
            bank.prompted.pop(frame, None)
        bank.pending[frame] = found.memory
        self._note_change(object_id, [frame])

    def remove_prompts(self, object_id: int, frame: int) -> None:
        """Remove the prompts of an object on a frame; its mask there stays as if tracked."""
        self.bank(object_id).remove_prompts(frame)
        self.frames.pop((object_id, frame), None)
        self._note_change(object_id, [frame])

    def forget_tracked(self, object_id: int) -> None:
        """Drop the frames to which an object was propagated; its prompts stay."""
        bank = self.bank(object_id)
        bank.tracked.clear()
        bank.directions.clear()
        self._note_change(object_id, bank.prompted_frames())

    def inherit(self, mother: int, frame: int, daughters: Iterable[int], reach: int) -> None:
        """Let daughters take over the mother's memories of the `reach` frames before a frame."""
        bank = self.bank(mother)
        for daughter in daughters:
            self.banks.setdefault(daughter, MemoryBank()).inherit(bank, frame, reach)

    def remove(self, object_id: int) -> None:
        """Remove an object."""
        self.bank(object_id)
        del self.banks[object_id]
        self.changed.pop(object_id, None)
        for place in [place for place in self.frames if place[0] == object_id]:
            del self.frames[place]

    def clear(self) -> None:
        """Remove all objects."""
        self.banks.clear()
        self.changed.clear()
        self.frames.clear()

    def take_changes(self, object_ids: Iterable[int] | None = None) -> dict[int, set[int]]:
        """Return and clear the changed frames of prompted objects, of all by default."""
        wanted = set(self.changed if object_ids is None else object_ids)
        taken = [i for i in self.prompted(self.changed) if i in wanted]
        return {i: self.changed.pop(i) for i in taken}

    def _note_change(self, object_id: int, frames: Iterable[int]) -> None:
        self.changed.setdefault(object_id, set()).update(frames)
