import pytest

from sam2_torch.sessions.propagation_plan import correction_runs, whole_runs


def laid_out(runs):
    return [(run.direction, {i: list(frames) for i, frames in run.frames.items()}) for run in runs]


@pytest.mark.parametrize(
    ("direction", "span", "start", "expected"),
    [
        ("forward", (0, 6), None, [("forward", {1: [2, 3, 4, 5], 2: [5]})]),
        ("backward", (0, 6), None, [("backward", {1: [4, 3, 2, 1, 0], 2: [5, 4, 3, 2, 1, 0]})]),
        (
            "both",
            (1, 5),
            None,
            [("forward", {1: [2, 3, 4], 2: []}), ("backward", {1: [1], 2: [4, 3, 2, 1]})],
        ),
        ("forward", (0, 6), 1, [("forward", {1: [1, 2, 3, 4, 5], 2: [1, 2, 3, 4, 5]})]),
    ],
)
def test_objects_start_where_they_were_prompted(direction, span, start, expected):
    prompted = {1: [2, 4], 2: [5]}
    assert laid_out(whole_runs(direction, prompted, span, start)) == expected


def test_a_correction_runs_up_to_the_next_one():
    runs = laid_out(correction_runs({1: {2, 5}, 2: {5}}, 8))
    assert runs == [
        ("forward", {1: [2, 3, 4]}),
        ("forward", {2: [5, 6, 7]}),
        ("backward", {1: [1, 0], 2: [4, 3, 2, 1, 0]}),
        ("forward", {1: [5, 6, 7]}),
        ("backward", {1: [4, 3]}),
    ]
    assert list(correction_runs({}, 8)) == []
