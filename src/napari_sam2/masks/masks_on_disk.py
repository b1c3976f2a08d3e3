"""Packed masks in a temporary file, so that long movies do not fill the memory."""

import io
import os
import tempfile
import weakref
from collections.abc import Iterator, MutableMapping
from threading import Lock
from typing import IO

import numpy as np


class TemporaryMasks:
    """A file that objects of one movie append their masks to; it goes when they do.

    Where no temporary file can be made, or its disk is full, masks stay in memory.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._file: IO[bytes]
        try:
            self._file = tempfile.TemporaryFile(buffering=0, prefix="napari-sam2-")
        except OSError:
            self._file = io.BytesIO()
        weakref.finalize(self, self._file.close)

    def append(self, packed: bytes) -> int | None:
        """Write bytes; return where they begin, None if there is no room for them."""
        with self._lock:
            begin = self._file.seek(0, os.SEEK_END)
            try:
                return begin if self._file.write(packed) == len(packed) else None
            except OSError:
                return None

    def read(self, begin: int, length: int) -> bytes:
        """Return bytes that were appended."""
        with self._lock:
            self._file.seek(begin)
            return self._file.read(length)


class MasksOnDisk(MutableMapping[int, bytes]):
    """Packed masks of one object by frame.

    Parameters
    ----------
    file
        Where they are kept.
    n_frames
        Length of the movie.
    """

    def __init__(self, file: TemporaryMasks, n_frames: int) -> None:
        self._file = file
        # where each mask begins, from 1 on, and its length; zeros take no memory until written
        self._places = np.zeros((n_frames, 2), np.int64)
        self._in_memory: dict[int, bytes] = {}

    def __getitem__(self, frame: int) -> bytes:
        if frame in self._in_memory:
            return self._in_memory[frame]
        begin, length = self._places[frame].tolist()
        if not begin:
            raise KeyError(frame)
        return self._file.read(begin - 1, length)

    def __setitem__(self, frame: int, packed: bytes) -> None:
        self._in_memory.pop(frame, None)
        begin = self._file.append(packed)
        self._places[frame] = (0, 0) if begin is None else (begin + 1, len(packed))
        if begin is None:
            self._in_memory[frame] = packed

    def __delitem__(self, frame: int) -> None:
        self[frame]  # a KeyError if it is not there
        self._in_memory.pop(frame, None)
        self._places[frame] = 0

    def __iter__(self) -> Iterator[int]:
        yield from sorted({*np.flatnonzero(self._places[:, 0]).tolist(), *self._in_memory})

    def __len__(self) -> int:
        return int(np.count_nonzero(self._places[:, 0])) + len(self._in_memory)
