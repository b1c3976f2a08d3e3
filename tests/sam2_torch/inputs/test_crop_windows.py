import pytest

from sam2_torch.inputs.crop_windows import CropWindows
from sam2_torch.inputs.frames import Crop

PLAN = CropWindows((1000, 3000), 256)


def holds(crop, box):
    (y, x), (height, width) = crop.origin_yx, crop.shape
    return y <= box[0] and x <= box[1] and box[2] <= y + height and box[3] <= x + width


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((500, 700, 500, 700), 256),  # a click
        ((500, 700, 600, 800), 256),
        ((500, 700, 640, 720), 512),
        ((0, 0, 30, 30), 256),
        ((990, 2990, 1000, 3000), 256),
        ((100, 100, 900, 200), 2048),
        ((0, 0, 999, 2000), None),
    ],
)
def test_a_window_leaves_room_around_the_object(box, side):
    crop = PLAN.around(box)
    if side is None:
        assert crop is None
        return
    assert crop.shape == (min(side, 1000), side) and holds(crop, box)
    ends = [first + length for first, length in zip(crop.origin_yx, crop.shape, strict=True)]
    assert holds(Crop((0, 0), (1000, 3000)), (*crop.origin_yx, *ends))


def test_small_frames_are_seen_whole():
    assert CropWindows((200, 256), 256).around((5, 5, 6, 6)) is None


def test_near_objects_share_a_window():
    first = PLAN.around((500, 700, 520, 720))
    near, far = (540, 740, 560, 760), (540, 940, 560, 960)
    assert PLAN.around(near, [None, first]) == first
    assert PLAN.around(far, [first]) != first


def test_a_window_stays_until_the_object_comes_near_its_border():
    box = (500.0, 700.0, 520.0, 720.0)
    crop = first = PLAN.around(box)
    changes = 0
    for _ in range(200):
        box = (box[0], box[1] + 5, box[2], box[3] + 5)
        following = PLAN.next(crop, box)
        changes += following != crop
        crop = following
        assert holds(crop, box)
    assert crop != first and changes < 20


def test_an_object_that_is_not_seen_is_waited_for():
    crop = PLAN.around((500, 700, 520, 720))
    assert PLAN.next(crop, None) == crop


def test_windows_grow_and_shrink_with_the_object():
    small, large = (500, 700, 520, 720), (300, 500, 700, 900)
    crop = PLAN.around(small)
    grown = PLAN.next(crop, large)
    assert max(grown.shape) == 1024
    assert PLAN.next(grown, (450, 650, 600, 800)) == grown  # not at once
    assert max(PLAN.next(grown, small).shape) == 256


def test_what_cuts_a_mask_off_is_enlarged():
    crop = PLAN.around((500, 700, 520, 720))
    (y, x), (h, w) = crop.origin_yx, crop.shape
    assert PLAN.enlarged(crop, (500, 700, 520, 720)) == crop
    assert PLAN.enlarged(crop, None) == crop
    small = PLAN.enlarged(crop, (500, x, 520, x + 30))
    assert small.shape == crop.shape and small.origin_yx[1] < x
    large = PLAN.enlarged(crop, (y, x, y + h, x + w))
    assert max(large.shape) == 2 * w and holds(large, (y, x, y + h, x + w))


def test_nothing_is_cut_off_where_the_frame_ends():
    crop = PLAN.around((0, 0, 30, 30))
    assert PLAN.enlarged(crop, (0, 0, 100, 100)) == crop


@pytest.mark.parametrize("resolution", [0, -1, float("nan"), float("inf")])
def test_a_resolution_that_is_none(resolution):
    with pytest.raises(ValueError, match="resolution: expected a positive number"):
        CropWindows.at_resolution(resolution, (1000, 3000), 512)


def test_the_resolution_sets_the_side():
    assert CropWindows.at_resolution(2, (1000, 3000), 512).side == 256


def test_a_doubled_window():
    crop = PLAN.around((500, 700, 520, 720))
    assert max(PLAN.doubled(crop, (500, 700, 520, 720)).shape) == 512
    assert PLAN.doubled(Crop((0, 0), (1000, 2048)), (500, 700, 520, 720)) is None
    assert PLAN.around(PLAN.centre) is not None
