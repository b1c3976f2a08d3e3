"""Videos for presentations: the movie with coloured outlines, ids, the time and a scale bar."""

from pathlib import Path

import numpy as np

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.tracks.pictures import contrast_of, draw_frame, picture_size
from napari_sam2.tracks.tracked_movie import Tracked

FRAMES_PER_S = 8


def write_mp4(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the movie with each object's outline in its own colour (H.264).

    Without the tracked movie's pixels, the outlines are on black.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.
    """
    import av

    contrast = contrast_of(tracked.movie)
    size = picture_size(tracked.masklets.frame_shape)
    with replacing(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        container.metadata["comment"] = SIGNATURE
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": "18"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"  # what all players can show
        for frame in range(tracked.n_frames):
            picture = np.asarray(draw_frame(tracked, frame, contrast, size))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            progress(frame + 1, tracked.n_frames)
        container.mux(stream.encode())
