"""The loaded model: switched, measured and unloaded."""

import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

LoadModel: TypeAlias = Callable[[str, str], Any]
ModelKey: TypeAlias = tuple[str, str]
"""Name or path of a model, and the requested device."""

LONGEST_NAME = 28


@dataclass(frozen=True)
class Opened:
    """Result of opening an image with a model.

    Parameters
    ----------
    model
        The model in use.
    device, dtype
        Its device and precision; the latter is empty if the model has none.
    failure
        Why the requested model could not be loaded, and the previous one stays in use; None if
        it was loaded.
    """

    model: ModelKey
    device: str
    dtype: str = ""
    failure: Exception | None = None


class LoadedModel:
    """Holds one model, and the previous one until the next is loaded.

    Parameters
    ----------
    load
        Loads a model by name or path, and device.
    """

    def __init__(self, load: LoadModel) -> None:
        self._load = load
        self.model: Any = None
        self.key: ModelKey | None = None

    def switch(self, key: ModelKey, make_room: Callable[[], None]) -> Exception | None:
        """Load a model unless it is loaded.

        Parameters
        ----------
        key
            The model.
        make_room
            Frees other memory; called if there is no room for two models.

        Returns
        -------
        The exception if the model could not be loaded and the previous one stays in use; else
        None.

        Raises
        ------
        Exception
            If it could not be loaded, and there is no previous one.
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
        """Unload the model and free its memory."""
        self.model = self.key = None
        release_memory()

    def describe(self, failure: Exception | None = None) -> Opened:
        """Return the model in use and its device."""
        assert self.key is not None, "a network is loaded before it is described"
        device = str(getattr(self.model, "device", self.key[1]))
        dtype = str(getattr(self.model, "dtype", "")).removeprefix("torch.")
        return Opened(self.key, device, dtype, failure)

    def measure(self) -> Iterator[Any]:
        """Measure and store the speed of the model, in steps.

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
        """Load the previous model again if it was unloaded; False if there was none."""
        if self.key is None and before is not None:
            release_memory()
            try:
                self.model = self._load(*before)
            except Exception:  # whatever it is: the first error says what the user did
                return False
            self.key = before
        return self.key is not None


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that a device, or the computer, is out of memory."""
    # torch's is no MemoryError, and torch may not have been imported
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def release_memory() -> None:
    """Free unused memory of the devices, if torch was imported."""
    if "torch" not in sys.modules:
        return
    import torch  # which waits where another thread, of another viewer, is at it

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def short_name(name: str) -> str:
    """Shorten the name or path of a model to fit in a narrow dock."""
    name = Path(name).name
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
