"""What to do next."""

import pytest

from napari_sam2.widgets.dock.hints import Situation, next_step


@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (Situation(), "Open an image"),
        (Situation(image=True), "Press <b>Points</b>"),
        (Situation(image=True, read_whole=True), "with the reader <b>SAM 2</b>, in parts"),
        (Situation(image=True, drawing=True, read_whole=True), "Click inside a cell"),
        (Situation(image=True, drawing=True, loading="cells_nano"), "Loading cells_nano"),
        (Situation(image=True, drawing=True), "Click inside a cell"),
        (Situation(image=True, drawing=True, marked=True), "Right? <b>Propagate</b>"),
        (Situation(image=True, movie=False, drawing=True, marked=True), "<b>New</b> object"),
        (
            Situation(image=True, drawing=True, marked=True, propagating=True),
            "correct or stop at any time",
        ),
        (
            Situation(image=True, drawing=True, marked=True, propagated=True),
            "Go through the frames",
        ),
        (
            Situation(image=True, drawing=True, marked=True, propagated=True, in_depth=True),
            "Go through the planes",
        ),
        (Situation(image=True, unknown_axis="49"), "Are the 49 images time points or planes?"),
        (Situation(image=True, drawing=True, marked=True, second_piece=True), "New object? N"),
    ],
)
def test_the_next_step(situation, words):
    assert words in next_step(situation)


def test_a_single_image_is_not_propagated():
    assert "Propagate" not in next_step(
        Situation(image=True, movie=False, drawing=True, marked=True, propagated=True)
    )
