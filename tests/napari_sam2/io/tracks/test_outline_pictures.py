import numpy as np
import pytest
from PIL import Image

from napari_sam2.io.tracks.outline_pictures import write_outlines
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked


def masklets_of(n_frames):
    masklets = Masklets(n_frames, (40, 60))
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    for frame in range(n_frames):
        masklets.paint(1, frame, mask)
        masklets.paint(70000, frame, np.roll(mask, 20, 1))
    return masklets


@pytest.mark.parametrize(
    ("pixels", "size"),
    [
        (np.zeros((9, 40, 60), np.uint16), (3 * 480 + 8, 2 * 320 + 4)),
        (np.zeros((2, 40, 60), np.float32), (2 * 480 + 4, 320)),
        (np.zeros((40, 60, 3), np.uint8), (480, 320)),
        (np.full((1, 40, 60), np.nan), (480, 320)),
    ],
)
def test_every_kind_of_movie_has_a_picture(tmp_path, pixels, size):
    movie = Movie(pixels)
    write_outlines(tmp_path / "outlines.png", Tracked.of(movie, masklets_of(movie.n_frames)))
    with Image.open(tmp_path / "outlines.png") as picture:
        assert picture.size == size


def test_outlines_lie_on_the_rim_and_have_the_objects_colours(tmp_path):
    tracked = Tracked.of(Movie(np.zeros((1, 40, 60))), masklets_of(1))
    write_outlines(tmp_path / "outlines.png", tracked)
    with Image.open(tmp_path / "outlines.png") as picture:
        pixels = np.asarray(picture).astype(int)
    coloured = pixels.max(-1) - pixels.min(-1) > 50
    assert coloured[8 * 10, 8 * 30]  # eight screen pixels for one of the image
    assert not coloured[8 * 20, 8 * 30]
    assert not coloured[8 * 5, 8 * 30]
    assert (pixels[8 * 20, 8 * 20] != pixels[8 * 20, 8 * 60 - 1]).any()
