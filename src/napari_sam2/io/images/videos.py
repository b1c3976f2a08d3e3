"""Videos (mp4, avi and the like): any frame by number, decoded when asked for."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Movie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


class _Video:
    """The frames of a video, (T, H, W, 3) or grey (T, H, W).

    Frames are numbered in the order in which they are shown. One after the other is fast; any
    other one is decoded from the last key frame before it on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()  # a decoder has one position
        self._container: InputContainer | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = -1
        self._times, key_times = _index(path)
        self._keys = np.searchsorted(self._times, key_times)
        first = self._decode(0)
        self._format = first.format.name
        self._quarter_turns = round(first.rotation / 90) % 4  # of a camera held upright
        self._size = first.width, first.height
        self._first_pixels = self._pixels(first)
        self.shape = (len(self._times), *self._first_pixels.shape)
        self.dtype = self._first_pixels.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if not isinstance(index[0], int | np.integer):
            frames = range(*index[0].indices(len(self._times)))
            return np.stack([self[(frame, *index[1:])] for frame in frames])
        if index[0] == 0:
            return self._first_pixels[index[1:]]
        with self._lock:
            return self._pixels(self._decode(int(index[0])))[index[1:]]

    def _pixels(self, frame: "VideoFrame") -> NDArray[Any]:
        is_grey = self._format.startswith("gray")
        deep = is_grey and self._format not in ("gray", "gray8")
        layout = ("gray16le" if deep else "gray") if is_grey else "rgb24"
        width, height = self._size
        pixels = frame.to_ndarray(format=layout, width=width, height=height)
        return np.rot90(pixels, self._quarter_turns)  # counterclockwise, as FFmpeg counts

    def _decode(self, number: int) -> "VideoFrame":
        import av

        time = self._times[number]
        try:
            skipped = 0
            if number != self._next:
                self._seek(number)
                # frames with one time stamp are distinguished by their order
                skipped = number - int(np.searchsorted(self._times, time))
            for frame in self._frames:
                if frame.pts is not None and frame.pts >= time:
                    if skipped and frame.pts == time:
                        skipped -= 1
                        continue
                    self._next = number + 1
                    return frame
        except av.FFmpegError as error:
            self._next = -1
            raise ValueError(
                f"{self._path.name}: frame {number} cannot be decoded ({error}); the video is "
                "damaged, copy it again"
            ) from error
        self._next = -1
        raise ValueError(
            f"{self._path.name}: expected {len(self._times)} frames, found no frame {number}; "
            "the video is damaged, copy it again"
        )

    def _seek(self, number: int) -> None:
        if self._container is None:
            self._container = _open(self._path)
        before = self._keys[self._keys <= number]
        key_time = self._times[before[-1]] if len(before) else self._times[0]
        stream = self._container.streams.video[0]
        self._container.seek(int(key_time), stream=stream)
        self._frames = self._container.decode(stream)


def _open(path: Path) -> "InputContainer":
    import av

    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise ValueError(
            f"{path.name}: expected a video, found something else or a truncated one ({error})"
        ) from error
    if not container.streams.video:
        container.close()
        raise ValueError(f"{path.name}: expected a video, found a file without pictures")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the time stamps of all frames and of the key frames; nothing is decoded."""
    import av

    times, keys = [], []
    with _open(path) as container:
        try:
            for packet in container.demux(video=0):
                time = packet.pts if packet.pts is not None else packet.dts
                if packet.size and time is not None and not packet.is_discard:
                    times.append(time)
                    keys += [time] * packet.is_keyframe
        except av.FFmpegError as error:
            raise ValueError(
                f"{path.name}: expected a whole video, found {len(times)} frames and then "
                f"something else ({error}); it is truncated, copy it again"
            ) from error
    if not times:
        raise ValueError(
            f"{path.name}: expected a video, found one without a whole frame; "
            "it is empty or truncated"
        )
    return np.sort(np.array(times, np.int64)), np.sort(np.array(keys, np.int64))


def read_video(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a video as a movie whose frames are decoded when asked for.

    It has no calibration: its frame rate is how fast it plays, not how fast it was taken.

    Parameters
    ----------
    path
        The file.
    axes
        One letter of `AXES` for each axis; None for TYX or TYXS.
    channel
        Which channel to take; of colours all by default.

    Raises
    ------
    ValueError
        If it is no video or is damaged, or its axes do not fit.
    """
    source = _Video(path)
    return Movie(source, axes or "TYXS"[: len(source.shape)], channel)
