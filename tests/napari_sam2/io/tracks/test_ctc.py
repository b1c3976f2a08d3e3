from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tifffile
from ctc_metrics.metrics import valid
from ctc_metrics.scripts.evaluate import match_tracks
from ctc_metrics.utils.filesystem import parse_masks, read_tracking_file
from hypothesis import given, settings
from random_tracks import CALIBRATION, SHAPE, same_masks, tracked_movies

from napari_sam2.io.tracks.ctc import read_ctc, write_ctc
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

DOT = SparseMask.from_window(SHAPE, [[1]], (2, 3))


def passes_validation(folder: Path) -> bool:
    """Ask py-ctcmetrics, as its evaluation does."""
    masks, tracks = parse_masks(str(folder)), read_tracking_file(str(folder / "res_track.txt"))
    labels = [match_tracks(mask, mask)[1] for mask in masks]
    return bool(valid(masks, tracks, labels))


@settings(max_examples=25, deadline=None)
@given(tracked_movies())
def test_a_round_trip_loses_nothing(tracked: Tracked) -> None:
    with TemporaryDirectory() as folder:
        write_ctc(Path(folder) / "x.ctc", tracked)
        read = read_ctc(Path(folder) / "x.ctc")
    assert read.lineage == tracked.tracks
    assert same_masks(read.masklets, tracked.masklets)
    assert (read.axes, read.calibration.pixel_size_yx) == ("TYX", CALIBRATION.pixel_size_yx)


@pytest.mark.filterwarnings("ignore:Empty frame")
@settings(max_examples=15, deadline=None)
@given(tracked_movies(overlapping=True))
def test_what_is_written_passes_the_validation_of_py_ctcmetrics(tracked: Tracked) -> None:
    with TemporaryDirectory() as folder:
        write_ctc(Path(folder) / "x.ctc", tracked)
        assert passes_validation(Path(folder) / "x.ctc")


@pytest.mark.filterwarnings("ignore:Empty frame")
def test_an_object_that_is_away_becomes_tracks_one_after_the_other(tmp_path: Path) -> None:
    masklets = Masklets(8, SHAPE)
    for frame in (0, 1, 4, 6):
        masklets.set(3, frame, DOT)
    masklets.set(9, 7, DOT)
    lineage = Lineage([Track(3, 0, 6), Track(9, 7, None, 3)])
    write_ctc(tmp_path / "x.ctc", Tracked(masklets, lineage))
    table = (tmp_path / "x.ctc" / "res_track.txt").read_text()
    assert table == "3 0 1 0\n9 7 7 11\n10 4 4 3\n11 6 6 10\n"
    assert passes_validation(tmp_path / "x.ctc")
    assert tifffile.imread(tmp_path / "x.ctc" / "mask004.tif").max() == 10


def test_a_stack_is_one_image(tmp_path: Path) -> None:
    masklets = Masklets(5, SHAPE)
    for plane in (1, 2, 4):
        masklets.set(3, plane, DOT)
    write_ctc(tmp_path / "x.ctc", Tracked(masklets, axes="ZYX"))
    assert (tmp_path / "x.ctc" / "res_track.txt").read_text() == "3 0 0 0\n"
    read = read_ctc(tmp_path / "x.ctc")
    assert read.axes == "ZYX" and same_masks(read.masklets, masklets)


def test_ground_truth_is_read(tmp_path: Path) -> None:
    truth = tmp_path / "01_GT" / "TRA"
    truth.mkdir(parents=True)
    (truth / "man_track.txt").write_text("7 0 0 0\n8 1 1 7\n\n")
    for frame, label in enumerate((7, 8)):
        image = np.zeros(SHAPE, np.uint16)
        image[2:4, 3:6] = label
        tifffile.imwrite(truth / f"man_track{frame:03}.tif", image)
    read = read_ctc(tmp_path / "01_GT")
    assert read.lineage == Lineage([Track(7, 0, 0), Track(8, 1, 1, 7)])
    assert read.masklets.get(8, 1).area == 6  # type: ignore[union-attr]


def test_nothing_is_lost_when_it_goes_wrong(tmp_path: Path) -> None:
    masklets = Masklets(3, SHAPE)
    masklets.set(1, 0, DOT)
    folder = tmp_path / "x.ctc"
    write_ctc(folder, Tracked(masklets))
    before = sorted(path.name for path in folder.iterdir())

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    masklets.set(2, 1, DOT)
    with pytest.raises(KeyboardInterrupt):
        write_ctc(folder, Tracked(masklets), stop)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert (folder / "res_track.txt").read_text() == "1 0 0 0\n"
    assert list(tmp_path.iterdir()) == [folder]
    write_ctc(folder, Tracked(masklets))
    assert (folder / "res_track.txt").read_text() == "1 0 0 0\n2 1 1 0\n"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    masklets = Masklets(1, SHAPE)
    masklets.set(1, 0, DOT)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("...")
    with pytest.raises(FileExistsError, match="choose another name"):
        write_ctc(tmp_path / "thesis", Tracked(masklets))
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "..."


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("1 0 0\n", "line 1: expected a label"),
        ("1 0 0 5\n", "a parent that is there"),
        ("2 0 0 0\n", "a row for each label"),
        ("1 0 99999999999 0\n", "expected 1 to 10000000 frames"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, table: str, said: str) -> None:
    masklets = Masklets(1, SHAPE)
    masklets.set(1, 0, DOT)
    write_ctc(tmp_path / "x.ctc", Tracked(masklets))
    (tmp_path / "x.ctc" / "res_track.txt").write_text(table)
    with pytest.raises(ValueError, match=said):
        read_ctc(tmp_path / "x.ctc")


def test_what_is_no_such_folder_and_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="0 tables and 0 images"):
        read_ctc(tmp_path)
    with pytest.raises(ValueError, match="at least one object"):
        write_ctc(tmp_path / "x.ctc", Tracked(Masklets(1, SHAPE)))
    masklets = Masklets(1, SHAPE)
    masklets.set(70_000, 0, DOT)
    with pytest.raises(ValueError, match=r"object ids: expected 1\.\.65535"):
        write_ctc(tmp_path / "x.ctc", Tracked(masklets))


def write_truth(folder: Path, table: str, images: dict[int, np.ndarray]) -> Path:
    folder.mkdir()
    for frame, image in images.items():
        tifffile.imwrite(folder / f"man_track{frame:03}.tif", image, photometric="minisblack")
    (folder / "man_track.txt").write_text(table, "utf-8-sig")  # as Windows programs do
    return folder


def image_of(label: int) -> np.ndarray:
    image = np.zeros(SHAPE, np.uint16)
    image[2:4, 3:6] = label
    return image


def test_a_frame_without_an_image_is_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = {frame: image_of(4) for frame in (0, 1, 3, 5)}
    read = read_ctc(write_truth(tmp_path / "TRA_", "4 0 6 0\n", images))
    assert read.n_frames == 7
    assert read.masklets.frames(4) == (0, 1, 3, 5)
    assert "frames without an image are empty: 2, 4, 6" in caplog.text


def test_pixels_outside_of_a_row_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = {frame: image_of(4) for frame in range(5)}
    read = read_ctc(write_truth(tmp_path / "TRA_", "4 1 2 0\n", images))
    assert read.lineage == Lineage([Track(4, 0, 4)])
    assert [object_id for frame in range(5) for object_id, _ in read.objects_in(frame)] == [4] * 5
    assert "track 4 is from frame 1 to 2, but has pixels from frame 0 to 4" in caplog.text


def test_rows_that_do_not_fit_the_pixels_are_refused(tmp_path: Path) -> None:
    images = {0: image_of(4), 1: image_of(5), 2: image_of(4)}
    folder = write_truth(tmp_path / "TRA_", "4 0 0 0\n5 1 1 4\n", images)
    with pytest.raises(ValueError, match="its rows do not fit the pixels of its images"):
        read_ctc(folder)
    negative = {0: image_of(4).astype(np.int16) * -1}
    with pytest.raises(ValueError, match=r"object ids: expected 1\.\.4294967295"):
        read_ctc(write_truth(tmp_path / "negative", "4 0 0 0\n", negative))


def test_each_frame_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masklets = Masklets(6, SHAPE)
    for frame in (0, 1, 4, 5):
        masklets.set(3, frame, DOT)
    drawn: list[int] = []
    draw = Masklets.labels

    def labels(self: Masklets, frame: int, *options: object) -> np.ndarray:
        drawn.append(frame)
        return draw(self, frame, *options)

    monkeypatch.setattr(Masklets, "labels", labels)
    write_ctc(tmp_path / "x.ctc", Tracked(masklets))
    assert drawn == list(range(6))
    assert (tmp_path / "x.ctc" / "res_track.txt").read_text() == "3 0 1 0\n4 4 5 3\n"
