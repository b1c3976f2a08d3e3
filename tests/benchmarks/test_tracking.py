import json
from pathlib import Path

import numpy as np
import pytest
import tracking
from ctc_figures import METRICS, TRACCURACY_METRICS, has_traccuracy

from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch import MaskPrompt, PointPrompt


def labels() -> np.ndarray:
    """Two squares that move; the second one comes in frame 1."""
    movie = np.zeros((4, 40, 52), np.uint16)
    for frame, image in enumerate(movie):
        image[5:15, 5 + frame : 17 + frame] = 1
        if frame:
            image[22:36, 20 + frame : 30 + frame] = 2
    return movie


def others() -> list[str]:
    """List the figures of the program that is optional."""
    return [f"traccuracy_{m}" for m in TRACCURACY_METRICS] if has_traccuracy() else []


def tracked(pixels: np.ndarray) -> Tracked:
    return tracked_labels(Movie(pixels, "TYX"))


def test_the_truth_is_perfect_and_what_is_worse_counts_less(tmp_path: Path) -> None:
    truth = tracked(labels())
    names = [*METRICS, *others()]
    assert tracking.measure(tmp_path / "a", truth, tracked(labels())) == dict.fromkeys(names, 1.0)
    swapped = labels()
    swapped[3] = np.array([0, 2, 1])[swapped[3]]
    worse = tracking.measure(tmp_path / "b", truth, tracked(swapped))
    assert worse["DET"] == worse["SEG"] == 1 and worse["LNK"] < 1 > worse["TRA"]
    for name in others():  # both programs say the same
        assert worse[name] == pytest.approx(worse[name.removeprefix("traccuracy_")])
    smaller = labels()
    smaller[:, :8] = 0
    assert tracking.measure(tmp_path / "c", truth, tracked(smaller))["SEG"] < 0.9


def test_each_way_begins_as_it_says() -> None:
    truth = tracked(labels())
    at = {way: tracking.prompts_of(way, truth) for way in ("mask0", "mask", "click")}
    assert [(said.object_id, said.frame) for said in at["mask0"]] == [(1, 0)]
    assert [(said.object_id, said.frame) for said in at["mask"]] == [(1, 0), (2, 1)]
    assert isinstance(at["mask"][1].prompts[0], MaskPrompt)
    (click,) = at["click"][1].prompts
    assert isinstance(click, PointPrompt)
    y, x = click.points_yx[0].astype(int)
    assert labels()[1, y, x] == 2


def test_identities_are_lost_and_masks_are_not() -> None:
    lost = tracking.without_identities(np.repeat(labels()[2:3], 30, axis=0))
    firsts = {lost.masklets.get(1, frame).area for frame in range(30)}
    assert firsts == {120, 140}


@pytest.mark.parametrize("way", tracking.WAYS)
def test_every_way_is_told(way: str) -> None:
    assert f"\n{way} " in tracking.__doc__


def test_a_run_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[tuple[str, str]] = []

    def measured(model: object, file: Path, way: str, n_frames: int | None) -> dict[str, float]:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((file.stem, way))
        return {**dict.fromkeys([*METRICS, *others()], 0.1 * len(done)), "frames": 4}

    (tmp_path / "manifest.csv").write_text("file,kind\na.npz,time\nb.npz,time\nc.npz,2d\n")
    for name in "abc":
        (tmp_path / f"{name}.npz").touch()
    monkeypatch.setattr(tracking, "measured", measured)
    monkeypatch.setattr(tracking, "_model", lambda arguments: "a model")
    command = ["--data", str(tmp_path), "--json", str(tmp_path / "x.json")]
    command += ["--ways", "mask0", "click"]
    with pytest.raises(KeyboardInterrupt):
        tracking.main(command)
    assert done == [("a", "mask0"), ("a", "click"), ("b", "mask0")]
    figures = json.loads((tmp_path / "x.json").read_text())
    assert figures["tracking.mask0.tra"] == pytest.approx(0.2)  # the mean of 0.1 and 0.3
    assert "tracking.click.tra.item.b" not in figures
    done[:] = [("", "")]
    tracking.main([*command, "--resume"])
    assert done[1:] == [("b", "click")]
    figures = json.loads((tmp_path / "x.json").read_text())
    assert figures["tracking.mask0.tra"] == pytest.approx(0.2)
    assert figures["tracking.click.tra.item.b"] == pytest.approx(0.2)
    done.clear()
    tracking.main([*command, "--limit", "-1"])
    assert done == [] and "4 of 4 jobs are left" in capsys.readouterr().err
