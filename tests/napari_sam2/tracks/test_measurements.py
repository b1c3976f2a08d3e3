import numpy as np
import pytest

from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.measurements import measure_objects, measure_tracks, outline_numbers
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

SHAPE = (50, 70)
CALIBRATION = Calibration((0.5, 0.25), "um", 2.0, 30.0, "s")


def rectangle(y: int, x: int, height: int, width: int) -> SparseMask:
    return SparseMask.from_window(SHAPE, np.ones((height, width)), (y, x))


def moving(axes: str = "TYX", calibration: Calibration = CALIBRATION) -> Tracked:
    """Object 1 goes 4 columns to the right in each of the frames 0, 1, 2; 2 and 3 follow."""
    masklets = Masklets(5, SHAPE)
    for frame in range(3):
        masklets.set(1, frame, rectangle(10, 5 + 4 * frame, 8, 16))
    for frame in (3, 4):
        masklets.set(2, frame, rectangle(8, 20, 6, 6))
        masklets.set(3, frame, rectangle(16, 20, 6, 6))
    lineage = lineage_operations.divide(Lineage(), 1, 3, (2, 3)).lineage
    return Tracked(masklets, lineage, axes, calibration)


def test_shapes_are_in_calibrated_units() -> None:
    table = measure_objects(moving())
    assert table["object"].tolist() == [1, 1, 1, 2, 3, 2, 3]
    assert table["time_s"].tolist() == [0, 30, 60, 90, 90, 120, 120]
    assert table["area_um2"][0] == 8 * 16 * 0.125
    assert (table["y_um"][0], table["x_um"][0]) == (13.5 * 0.5, 12.5 * 0.25)
    # 8 rows of 0.5 um and 16 columns of 0.25 um: nearly a square
    assert table["major_axis_um"][0] / table["minor_axis_um"][0] < 1.02
    assert table["eccentricity"][0] < 0.2 and table["solidity"][0] == 1


def test_without_calibration_the_names_say_pixels() -> None:
    table = measure_objects(moving(calibration=Calibration()))
    assert table["area_px2"][0] == 128 and table["time_frames"].tolist()[-1] == 4
    assert table["eccentricity"][0] == pytest.approx(
        np.sqrt(1 - (8**2 - 1) / (16**2 - 1)), abs=0.02
    )


def test_intensities_and_the_background_around_without_other_objects() -> None:
    tracked = moving()
    rng = np.random.default_rng(2)
    red = rng.integers(100, 110, (5, *SHAPE)).astype(np.uint16)
    green = np.zeros((5, *SHAPE), np.float32)
    red[3][tracked.labels(3) == 2] = 1000
    red[3][tracked.labels(3) == 3] = 50_000  # a bright neighbour
    table = measure_objects(tracked, {"red": red, "green": green})
    row = 3  # object 2 in frame 3
    assert (table["mean_red"][row], table["median_red"][row]) == (1000, 1000)
    assert table["sum_red"][row] == 36_000
    assert 100 <= table["background_red"][row] < 110
    assert table["mean_green"].tolist() == [0] * 7


def test_the_movie_is_measured_by_default() -> None:
    tracked = moving()
    pixels = np.full((5, *SHAPE), 7, np.uint8)
    movie = Movie(pixels, "TYX", calibration=CALIBRATION)
    table = measure_objects(Tracked.of(movie, tracked.masklets, tracked.lineage))
    assert set(table["mean_intensity"]) == {7.0}


def test_tracks_have_ways_lives_and_families() -> None:
    table = measure_tracks(moving())
    assert table["object"].tolist() == [1, 2, 3] and table["parent"].tolist() == [0, 1, 1]
    assert table["daughters"].tolist() == ["2 3", "", ""] and table["divisions"].tolist() == [
        1,
        0,
        0,
    ]
    assert table["lifetime_s"].tolist() == [90, 60, 60]
    assert table["path_um"][0] == table["displacement_um"][0] == 2
    assert table["speed_um_per_s"][0] == pytest.approx(2 / 60)


def test_a_track_of_one_frame_has_no_speed() -> None:
    masklets = Masklets(3, SHAPE)
    masklets.set(1, 2, rectangle(3, 3, 1, 1))
    table = measure_tracks(Tracked(masklets, calibration=CALIBRATION))
    assert np.isnan(table["speed_um_per_s"][0]) and table["lifetime_s"][0] == 30


def test_stacks_have_volumes() -> None:
    masklets = Masklets(4, SHAPE)
    for plane, side in ((1, 4), (2, 8)):
        masklets.set(6, plane, rectangle(10, 10, side, side))
    table = measure_tracks(Tracked(masklets, axes="ZYX", calibration=CALIBRATION))
    assert table["volume_um3"][0] == (16 + 64) * 0.125 * 2
    assert table["z_um"][0] == pytest.approx((16 * 2 + 64 * 4) / 80)


def test_movies_of_stacks_have_ways_of_their_centres() -> None:
    masklets = Masklets(6, SHAPE)
    for time in range(2):
        for plane in (0, 1):
            masklets.set(6, 3 * time + plane + time, rectangle(10, 10 + 4 * time, 4, 4))
    stacks = Tracked(masklets, axes="TZYX", calibration=CALIBRATION, n_planes=3)
    table = measure_tracks(stacks)
    assert table["displacement_um"][0] == pytest.approx(np.hypot(1, 2))
    assert table["mean_volume_um3"][0] == 2 * 16 * 0.125 * 2
    assert table["lifetime_s"][0] == 60


def test_nothing_gives_empty_tables() -> None:
    empty = Tracked(Masklets(2, SHAPE))
    assert measure_objects(empty).empty and measure_tracks(empty).empty


def test_quick_numbers_are_those_of_the_pixels() -> None:
    tracked = moving()
    quick, places = outline_numbers(tracked)
    exact = measure_objects(tracked)
    for name in ("object", "frame", "time_s", "area_um2", "y_um", "x_um"):
        np.testing.assert_allclose(quick[name], exact[name])
    np.testing.assert_allclose(quick["speed_um_per_s"][:3], [np.nan, 1 / 30, 1 / 30])
    assert places[0].tolist() == [13.5, 12.5]
    assert measure_tracks(tracked, quick)["path_um"][0] == 2


def test_every_channel_of_a_movie_is_measured_with_its_own_background() -> None:
    masklets = Masklets(2, SHAPE)
    masklets.set(1, 1, rectangle(10, 20, 6, 5))
    pixels = np.zeros((2, 3, *SHAPE), np.uint16)
    pixels[1] += np.array([5, 10, 20], np.uint16)[:, None, None]
    pixels[1, :, 10:16, 20:25] *= 7
    table = measure_objects(Tracked.of(Movie(pixels, "TCYX", channel=1), masklets))
    for number, level in enumerate((5, 10, 20)):
        for quantity in ("mean", "median"):
            assert table[f"{quantity}_channel_{number}"].tolist() == [7 * level]
        assert table[f"sum_channel_{number}"].tolist() == [7 * level * 30]
        assert table[f"background_channel_{number}"].tolist() == [level]
    colours = Movie(np.moveaxis(pixels, 1, -1), "TYXS")
    table = measure_objects(Tracked.of(colours, masklets))
    assert table["mean_intensity_red"][0] == 35 and table["background_intensity_blue"][0] == 20


def test_where_the_distance_of_planes_is_unknown_nothing_pretends_to_know_it() -> None:
    stack = moving("ZYX", Calibration((0.5, 0.25), "um"))
    objects, tracks = measure_objects(stack), measure_tracks(stack)
    assert objects["z_planes"].tolist()[-1] == 4 and "z_um" not in objects
    assert tracks["volume_um2_planes"][0] == 3 * 8 * 16 * 0.125
    assert not [name for name in tracks if "um3" in name]
    calibrated = measure_tracks(moving("ZYX"))
    assert calibrated["volume_um3"][0] == 3 * 8 * 16 * 0.125 * 2
