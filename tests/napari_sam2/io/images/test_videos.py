import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from napari_sam2.io.read import read_movie

N, SHAPE = 40, (48, 80)


def write_video(path, codec, pixel_format="yuv420p", n_frames=N):
    """A bright column that moves one pixel per frame, so that each frame tells its number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = SHAPE
        stream.pix_fmt = pixel_format
        stream.gop_size = 12
        for number in range(n_frames):
            pixels = np.zeros((*SHAPE, 3), np.uint8)
            pixels[:, 2 * number : 2 * number + 2] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def number_of(frame):
    grey = frame if frame.ndim == 2 else frame.astype(int).sum(-1)
    return round((grey.sum(0).argmax() - 0.5) / 2)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "colours"),
    [
        ("a.mp4", "mpeg4", "yuv420p", True),
        ("a.mkv", "libx264", "yuv420p", True),  # with frames that look ahead
        ("a.avi", "mjpeg", "yuvj420p", True),
        ("a.avi", "ffv1", "gray", False),
    ],
)
def test_any_frame_in_any_order(tmp_path, name, codec, pixel_format, colours):
    movie = read_movie(write_video(tmp_path / name, codec, pixel_format))
    assert (movie.n_frames, movie.frame_shape, movie.is_rgb) == (N, SHAPE, colours)
    assert movie.layout.label_axes == "TYX" and movie.dtype == np.uint8
    order = [0, 1, 2, 25, 26, 3, 39, 38, 0, 12]
    assert [number_of(movie[frame]) for frame in order] == order


def test_one_colour_and_a_window(tmp_path):
    path = write_video(tmp_path / "a.mp4", "mpeg4")
    assert read_movie(path, channel=1)[3].shape == SHAPE
    window = read_movie(path).window(7, slice(4, 20), slice(10, 30))
    np.testing.assert_array_equal(window, read_movie(path)[7][4:20, 10:30])


def test_what_is_no_video_is_said(tmp_path):
    (tmp_path / "a.mp4").write_text("no video at all")
    with pytest.raises(ValueError, match=r"a\.mp4: expected a video"):
        read_movie(tmp_path / "a.mp4")


def test_a_truncated_video_is_said(tmp_path):
    path = write_video(tmp_path / "a.mp4", "mpeg4")
    path.write_bytes(path.read_bytes()[:-600])  # its table of contents is at the end
    with pytest.raises(ValueError, match=r"a\.mp4: expected a video, found .* truncated"):
        read_movie(path)


def test_a_video_that_was_turned_is_shown_as_in_players(tmp_path):
    path = write_video(tmp_path / "a.mp4", "mpeg4")
    upright = read_movie(path)[0]
    content = bytearray(path.read_bytes())
    header = content.find(b"tkhd")
    matrix = header + 8 + (32 if content[header + 4] else 20) + 16
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, SHAPE[0] << 16, 0, 0x40000000)
    content[matrix : matrix + 36] = struct.pack(">9i", *quarter)
    path.write_bytes(bytes(content))
    movie = read_movie(path)
    assert movie.frame_shape == SHAPE[::-1]
    np.testing.assert_array_equal(movie[0], np.rot90(upright, -1))  # clockwise


def test_frames_with_one_time_stamp_are_all_there(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = SHAPE[1], SHAPE[0], "gray"
        stream.codec_context.time_base = Fraction(1, 1000)
        for value, time in enumerate((0, 40, 40, 40, 80, 120, 120)):
            frame = av.VideoFrame.from_ndarray(np.full(SHAPE, 9 * value, np.uint8), format="gray")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    movie = read_movie(path)
    assert [int(movie[i][0, 0]) // 9 for i in (0, 1, 2, 3, 4, 5, 6)] == list(range(7))
    assert [int(movie[i][0, 0]) // 9 for i in (6, 3, 2, 5, 1, 4)] == [6, 3, 2, 5, 1, 4]
