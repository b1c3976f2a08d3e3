"""The maps that the instance decoder learns, against plain ones, and its loss."""

import numpy as np
import torch
from instance_loss import boundary_distance, instance_loss, instance_targets
from scipy.ndimage import distance_transform_edt


def touching_objects():
    """Return two images of other labels: touching rectangles, a disc and one at the border."""
    y, x = np.mgrid[:64, :96]
    labels = np.zeros((2, 64, 96), np.int32)
    labels[0, 10:40, 8:30], labels[0, 10:40, 30:60] = 7, 3
    labels[0, 50:, 70:] = 7000
    labels[1][(y - 30) ** 2 + (x - 40) ** 2 < 400] = 3
    return labels


def test_distances_are_exact():
    labels = touching_objects()
    found = boundary_distance(torch.from_numpy(labels)).numpy()
    for image, distances in zip(labels, found, strict=True):
        for label in np.unique(image)[1:]:
            mask = np.pad(image == label, 1)
            expected = distance_transform_edt(mask)[1:-1, 1:-1]
            np.testing.assert_allclose(distances[image == label], expected[image == label])


def test_each_object_has_a_centre_and_a_depth_of_its_own():
    labels = touching_objects()
    targets = instance_targets(torch.from_numpy(labels)).numpy()
    assert targets.shape == (2, 3, 32, 48)
    foreground, centre, depth = targets.transpose(1, 0, 2, 3)
    coarse = labels[:, ::2, ::2]
    assert ((foreground == 1) == (coarse > 0)).mean() > 0.95
    for image, n in ((0, 3), (1, 1)):
        tops = np.argwhere(centre[image] == 1)
        assert len(tops) == n == len({coarse[image][tuple(top)] for top in tops})
    assert np.argwhere(centre[1] == 1).tolist() == [[15, 20]]
    assert (depth[coarse == 0] == 0).all() and (centre[coarse == 0] == 0).all()
    assert [depth[0][coarse[0] == label].max() for label in (3, 7, 7000)] == [1, 1, 1]


def test_only_the_content_counts():
    square = np.pad(touching_objects(), ((0, 0), (0, 32), (0, 0)))
    targets = instance_targets(torch.from_numpy(square))
    right = torch.logit(targets.clamp(1e-4, 1 - 1e-4))
    content = torch.tensor([[32, 40], [32, 40]])
    wrong = right.clone()
    wrong[..., 40:] = 20
    assert instance_loss(right, targets, content) == instance_loss(wrong, targets, content)
    wrong[..., :8] = 20
    assert instance_loss(wrong, targets, content) > 2 * instance_loss(right, targets, content) + 0.1
