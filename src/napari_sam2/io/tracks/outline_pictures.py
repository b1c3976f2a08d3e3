"""Pictures of frames with the objects outlined, as PNG."""

from pathlib import Path

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.tracks.pictures import draw_sheet
from napari_sam2.tracks.tracked_movie import Tracked


def write_outlines(path: Path, tracked: Tracked) -> None:
    """Write a PNG of evenly spread frames with each object's outline in its own colour.

    Parameters
    ----------
    path
        Where to; what is there is replaced.
    tracked
        Objects, with the movie.
    """
    write_picture(path, draw_sheet(tracked))


def write_picture(path: Path, picture: Image) -> None:
    """Write a PNG that says what wrote it.

    Parameters
    ----------
    path
        Where to; what is there is replaced.
    picture
        The picture.
    """
    about = PngInfo()
    about.add_text("Software", SIGNATURE)
    with replacing(path) as partial:
        picture.save(partial, format="PNG", pnginfo=about)
