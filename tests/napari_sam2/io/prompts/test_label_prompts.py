import numpy as np
import pytest

from napari_sam2.io.prompts.label_prompts import (
    clicks_from_labels,
    prompts_from_labels,
)
from napari_sam2.movies.movie import Movie

MOVIE = Movie(np.zeros((3, 40, 60), np.uint8))


def labels_of(shape, dtype=np.uint16):
    labels = np.zeros(shape, dtype)
    labels[..., 5:15, 20:50] = 7
    labels[..., 15:30, 20:50] = 9
    return labels


def test_each_label_of_one_image_is_a_mask_of_frame_0():
    prompts = list(prompts_from_labels(Movie(labels_of((40, 60))), MOVIE))
    assert [(said.object_id, said.frame) for said in prompts] == [(7, 0), (9, 0)]
    np.testing.assert_array_equal(prompts[1].prompts[0].mask, labels_of((40, 60)) == 9)


def test_each_label_on_each_frame_is_a_mask():
    labels = labels_of((3, 40, 60))
    labels[1] = 0
    labels[2][labels[2] == 9] = 0
    prompts = prompts_from_labels(Movie(labels), MOVIE)
    expected = [(7, 0), (9, 0), (7, 2)]
    assert [(said.object_id, said.frame) for said in prompts] == expected
    assert len(list(prompts)) == 3  # and once more


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (labels_of((40, 60), np.float32) / 2, "expected whole numbers, .* found 3.5"),
        (-labels_of((40, 60), np.int16), r"object ids: expected 1\.\.4294967295 .*, found -9"),
        (labels_of((40, 60), np.int64) << 40, r"expected 1\.\.4294967295 .*, found 7696581394432"),
        (labels_of((60, 40)), r"expected the shape of the movie's frames \(40, 60\)"),
        (labels_of((2, 40, 60)), r"expected one frame \(for frame 0\) or 3 as in the movie"),
    ],
)
def test_what_does_not_fit_is_said(labels, message):
    with pytest.raises(ValueError, match=message):
        prompts_from_labels(Movie(labels), MOVIE)


def crescent():
    """A moon whose centre is outside of it, a dot and a piece at the border."""
    labels = np.zeros((40, 60), np.uint16)
    y, x = np.ogrid[:40, :60]
    labels[(y - 20) ** 2 + (x - 30) ** 2 < 15**2] = 4
    labels[(y - 20) ** 2 + (x - 36) ** 2 < 13**2] = 0
    labels[2, 3] = 2
    labels[10:30, 55:] = 9
    return labels


def test_a_click_is_deep_in_its_object():
    said = clicks_from_labels(crescent(), frame=3)
    assert [(one.object_id, one.frame) for one in said] == [(2, 3), (4, 3), (9, 3)]
    places = [one.prompts[0].points_yx[0].astype(int).tolist() for one in said]
    assert [crescent()[y, x] for y, x in places] == [2, 4, 9]
    assert places[0] == [2, 3]
    assert places[2][1] == 57  # as far from the image's border as from its own


def test_no_objects():
    assert clicks_from_labels(np.zeros((4, 5), np.uint16)) == []
