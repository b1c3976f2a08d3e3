"""The network in memory: changed for another one, measured, and let go of."""

import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

LoadModel: TypeAlias = Callable[[str, str], Any]
ModelKey: TypeAlias = tuple[str, str]
"""Name or path of a network, and the device that was asked for."""

LONGEST_NAME = 28


@dataclass(frozen=True)
class Opened:
    """What an attempt to open an image with a network led to.

    Parameters
    ----------
    model
        The network that is in use now.
    device, dtype
        Where it is, and in which precision; the latter is empty if the network has none.
    failure
        Why it is not the one that was asked for, but the one before; None if it is.
    """

    model: ModelKey
    device: str
    dtype: str = ""
    failure: Exception | None = None


class LoadedModel:
    """Holds one network at a time, and the one before as long as the next is not there.

    Parameters
    ----------
    load
        Loads a network by name or path, and device.
    """

    def __init__(self, load: LoadModel) -> None:
        self._load = load
        self.model: Any = None
        self.key: ModelKey | None = None

    def switch(self, key: ModelKey, make_room: Callable[[], None]) -> Exception | None:
        """Load a network unless it is the one that is there.

        Parameters
        ----------
        key
            Which one.
        make_room
            Lets go of what else is in memory; called if there is no room for two networks.

        Returns
        -------
        Why the network could not be loaded; the one before is still in use then. None if
        all is well.

        Raises
        ------
        Exception
            If it could not be loaded, and there is none before it.
        """
        if key == self.key:
            return None
        before = self.key
        try:
            self.model = self._load_beside(key, make_room)
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # half a network may hang on to them
            if self._restore(before):
                return error
            raise
        self.key = key
        release_memory()
        return None

    def unload(self) -> None:
        """Let go of the network, and give its memory back to the device."""
        self.model = self.key = None
        release_memory()

    def describe(self, failure: Exception | None = None) -> Opened:
        """Tell which network is in use, and where."""
        assert self.key is not None, "a network is loaded before it is described"
        device = str(getattr(self.model, "device", self.key[1]))
        dtype = str(getattr(self.model, "dtype", "")).removeprefix("torch.")
        return Opened(self.key, device, dtype, failure)

    def measure(self) -> Iterator[Any]:
        """Measure the network's speed in steps, and remember it.

        Yields
        ------
        The `Speed` so far; None as long as there is none.
        """
        from sam2_torch.models.speed_records import write_speed
        from sam2_torch.sessions.speed_check import speed_rounds

        speed = None
        if self.model is None:
            return
        for speed in speed_rounds(self.model):
            yield speed
        if speed is not None:
            write_speed(self.model.config, speed)

    def _load_beside(self, key: ModelKey, make_room: Callable[[], None]) -> Any:
        try:
            return self._load(*key)
        except Exception as error:
            if self.model is None or not is_out_of_memory(error):
                raise
        make_room()
        self.unload()
        return self._load(*key)

    def _restore(self, before: ModelKey | None) -> bool:
        """See to it that the network from before is there; False if there was none."""
        if self.key is None and before is not None:
            release_memory()
            try:
                self.model = self._load(*before)
            except Exception:  # whatever it is: the first error says what the user did
                return False
            self.key = before
        return self.key is not None


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a device, or the computer, has no memory left."""
    # torch's is no MemoryError, and torch may not have been imported
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def release_memory() -> None:
    """Give memory that nothing uses back to the devices; not before torch is imported."""
    if "torch" not in sys.modules:
        return
    import torch  # which waits where another thread, of another viewer, is at it

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def short_name(name: str) -> str:
    """Shorten the name of a model, or the path of one, to what fits in a narrow dock."""
    name = Path(name).name
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
