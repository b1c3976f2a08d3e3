import pytest

from napari_sam2.movies.calibration import Calibration
from napari_sam2.movies.typed_calibration import pixel_size_text, read_steps, summary


@pytest.mark.parametrize(
    ("text", "dimension", "read"),
    [
        ("0.65 um", "length", ([0.65], "um")),
        ("0,65 µm", "length", ([0.65], "um")),
        ("0.8 x 0.75 micron", "length", ([0.8, 0.75], "um")),
        ("650nm", "length", ([650], "nm")),
        ("1e-3 millimeter", "length", ([0.001], "mm")),
        ("2 Å", "length", ([2], "angstrom")),
        ("5 min", "time", ([5], "min")),
        (".5 hours", "time", ([0.5], "h")),
        ("  ", "length", ([], "")),
    ],
)
def test_any_unit_is_read(text, dimension, read):
    assert read_steps(text, dimension) == read


@pytest.mark.parametrize(
    "text", ["0.65", "5 min", "0 um", "-1 um", "um", "1 px", "1 um 2", "inf um"]
)
def test_what_is_no_length_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="expected a number above 0 and a unit of length") as told:
        read_steps(text, "length")
    assert repr(text) in str(told.value)


def test_an_image_is_described_in_one_line():
    movie = Calibration((0.65, 0.65), "um", None, 5, "min")
    assert summary("TYX", (30, 8, 9), movie) == "time 30 · 0.65 µm · 5 min"
    stack = Calibration((0.8, 0.8), "um", 1.75)
    assert summary("ZYX", (49, 8, 9), stack) == "49 planes · 0.8 × 0.8 × 1.75 µm"
    assert summary("YX", (8, 9), Calibration()) == "pixel size unknown"
    assert summary("?YX", (49, 8, 9), Calibration()) == "49 frames or planes? · size unknown"
    both = Calibration((0.8, 0.7), "um", None, 2, "s")
    text = summary("TZCYX", (3, 4, 2, 8, 9), both)
    assert text == "time 3 · 4 planes · 2 channels · 0.8 × 0.7 µm, plane distance unknown · 2 s"


def test_what_is_shown_can_be_read_again():
    text = pixel_size_text(Calibration((0.8, 0.75), "um"))
    assert read_steps(text, "length") == ([0.8, 0.75], "um")
