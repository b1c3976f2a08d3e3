"""Background threads, which do not block the interface."""

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event, Thread, get_native_id

NICE = 5  # a third of the share of a program beside it that wants all there is
_frozen = Event()


def background_thread(run: Callable[[], object], name: str) -> Thread:
    """Return a thread for work in the background; it is not started yet.

    It, and the threads that it starts in its turn (PyTorch's among them), have a lower priority
    than the interface: where they share a few cores, it is the interface that must not wait. On
    Linux alone: macOS prefers a program's main thread by itself, Windows the window in front.
    """

    def run_behind() -> None:
        _let_others_go_first()
        run()

    return Thread(target=run_behind, name=name, daemon=True)


def _let_others_go_first() -> None:
    if sys.platform == "linux":  # where alone the priority of a thread can be set like this
        thread = get_native_id()
        if os.getpriority(os.PRIO_PROCESS, thread) < NICE:
            os.setpriority(os.PRIO_PROCESS, thread, NICE)


@contextmanager
def frozen_afterwards() -> Iterator[None]:
    """Disable Python's garbage collector for a while; it skips what there is afterwards.

    An import like PyTorch's leaves some hundred thousand objects behind, which live as long as the
    process. The collector would go through all of them again and again, each time a quarter of a
    second in which no other thread runs; napari collects at each layer that is removed. `thaw`
    ends that.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        freeze()
        if was_on:
            gc.enable()


def freeze() -> None:
    """Let the garbage collector skip what there is now, until `thaw`."""
    gc.freeze()
    _frozen.set()


def is_frozen() -> bool:
    """Return whether the garbage collector skips anything; Python would have to count it."""
    return _frozen.is_set()


def thaw() -> None:
    """Let the garbage collector find everything again, such as an image that is closed now."""
    gc.unfreeze()
    _frozen.clear()


@cache
def load_torch_libraries() -> bool:
    """Load PyTorch's libraries while other threads run; return whether that was possible.

    `import torch` does the same, but keeps the interpreter for itself meanwhile, for half a second
    or longer, in which a window stands still. What cannot be loaded here, the import will report.
    """
    if sys.platform not in ("linux", "darwin"):  # on Windows the import itself does not block
        return False
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    suffix = "so" if sys.platform == "linux" else "dylib"
    # called as a function of C: unlike `CDLL(path)` that gives the interpreter free
    load = getattr(ctypes.CDLL(None), "dlopen", None)
    if load is None:  # an old C library, which keeps it elsewhere
        return False
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    library = Path(torch.origin).parent / "lib" / f"libtorch.{suffix}"
    return load(os.fsencode(library), os.RTLD_NOW) is not None
