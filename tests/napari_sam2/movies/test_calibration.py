import pytest

from napari_sam2.movies.calibration import AxisScale, Calibration, as_number


def test_axes_of_different_units_are_converted_to_that_of_x():
    axes = {"X": AxisScale(130, "nm"), "Y": AxisScale(0.13, "µm"), "Z": AxisScale(1.5, "um", 3)}
    found = Calibration.of_axes(axes)
    assert found == Calibration((130, 130), "nm", 1500, z_origin=3000)


def test_lengths_without_a_unit_are_kept():
    axes = {"Z": AxisScale(2.0), "Y": AxisScale(0.3, "pixel"), "X": AxisScale(0.3)}
    assert Calibration.of_axes(axes) == Calibration((0.3, 0.3), "", 2.0)
    assert Calibration.of_axes({"T": AxisScale(5.0)}) == Calibration(
        time_interval=5.0, time_unit=""
    )


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {letter: AxisScale(1.0) for letter in "TZYX"},  # 1 in no unit says nothing
        {letter: AxisScale(0.0, "um") for letter in "YX"},
        {letter: AxisScale(float("nan"), "um") for letter in "YX"},
        {"X": AxisScale(0.5, "second"), "Y": AxisScale(0.5, "second")},
        {"T": AxisScale(0.5, "micrometer")},
    ],
)
def test_nothing_is_made_up(axes):
    assert Calibration.of_axes(axes) == Calibration()


def test_a_step_that_cannot_be_converted_is_unknown():
    axes = {"X": AxisScale(0.5, "um"), "Y": AxisScale(0.5, "um"), "Z": AxisScale(2.0)}
    assert Calibration.of_axes(axes) == Calibration((0.5, 0.5), "um")


def test_negative_steps_and_origins_come_back_axis_by_axis():
    axes = {
        "T": AxisScale(30.0, "s", 60.0),
        "Z": AxisScale(-2.0, "um", 8.0),
        "Y": AxisScale(0.5, "um", -4.0),
        "X": AxisScale(-0.25, "um", 16.0),
    }
    known = Calibration.of_axes(axes)
    assert {letter: known.axis(letter) for letter in "TZYX"} == axes
    assert known.axis("X").length == 0.25
    assert known.axis("C") == AxisScale()


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.5", 0.5), (2, 2.0), (None, None), ("inf", None), ("0", None), ("x", None)],
)
def test_numbers_of_files(text, number):
    assert as_number(text) == number
