"""Proposed divisions become part of the lineage."""

import numpy as np

from napari_sam2.api.automatic import accept_divisions
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from sam2_torch.automatic import Division


def test_the_rest_of_a_mother_becomes_the_other_daughter(caplog):
    labels = np.zeros((4, 20, 30), np.uint16)
    labels[:2, 8:14, 8:20] = 1
    labels[2:, 8:14, 8:13] = 1
    labels[2:, 8:14, 15:20] = 2
    labels[:, 1:4, 1:5] = 4
    tracked = tracked_labels(Movie(labels))
    proposed = [
        Division(1, 4, (1, 2), 0.6),
        Division(1, 1, (1, 2), 0.8),
        Division(0, 1, (1, 4), 0.3),
    ]
    found, accepted = accept_divisions(tracked, proposed, 0.5)
    assert accepted == 1
    assert found.lineage.parents == {2: 1, 5: 1}
    after = np.where(labels == 1, 5, labels)
    after[:2] = labels[:2]
    np.testing.assert_array_equal(np.stack([found.labels(frame) for frame in range(4)]), after)
    assert "division of object 4 in frame 1" in caplog.text
    same, none = accept_divisions(tracked, proposed, 0.9)
    assert none == 0 and not same.lineage.parents
