"""The dock "Tracks and numbers" on a viewer, with a session without a network."""

import csv
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pyarrow.parquet
import pytest
import settling
import zarr
from napari.components import ViewerModel
from open_docks import PLACEMENT, tracks_dock
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from random_tracks import same_masks
from roifile import roiread

from napari_sam2.annotation.daughters import split_mask
from napari_sam2.annotation.track_edits import lineage_of
from napari_sam2.io.sessions.session_files import Fingerprint, Header, write_session
from napari_sam2.io.tracks.formats import FORMATS, export, read_tracked
from napari_sam2.masks.masklets import Confidence
from napari_sam2.tracks.suggestions import Suggestion, of_divisions
from napari_sam2.widgets.segment_dock.dock import SegmentAndTrack
from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers
from sam2_torch.automatic import Division
from sam2_torch.masks import SparseMask

LEFT = Qt.MouseButton.LeftButton
CELLS = ("cells_nano", "cpu")


@pytest.fixture
def viewer(make_viewer: Any) -> Any:
    return make_viewer(6, **PLACEMENT)


@pytest.fixture
def dock(qtbot: Any, viewer: ViewerModel, stub_owner: Any) -> Any:
    with tracks_dock(qtbot, viewer, stub_owner) as dock:
        dock.annotator.open(CELLS)
        yield dock


@pytest.fixture
def settle(qtbot: Any, dock: Any) -> Any:
    """Wait until nothing runs, and the dock shows it."""
    return partial(settling.settle, qtbot, dock)


@pytest.fixture
def cell(dock: Any, settle: Any) -> Any:
    """One object that was clicked in frame 0 and followed to the end."""
    points = dock.annotator.workspace.prompt_with_points()
    points.add((0, 12, 15))
    dock.annotator.work.propagate("forward", None)
    settle()
    return points


@pytest.fixture
def divided_twice(dock: Any, cell: Any, viewer: ViewerModel, settle: Any) -> None:
    """Object 1 divides into 2 and 3 in frame 2, and 2 into 4 and 5 in frame 4."""
    for object_id, frame in ((1, 2), (2, 4)):
        dock.annotator.work.select_object(object_id)
        dock.annotator.workspace.go_to(frame)
        press_divide(viewer)
        settle()


def frames(dock: Any, object_id: int) -> list[int]:
    masklets = dock.annotator.workspace.masklets
    known = masklets.frames(object_id)
    return [frame for frame in known if masklets.get(object_id, frame)]


def press_divide(viewer: ViewerModel) -> None:
    press(viewer, "D")


def press(viewer: ViewerModel, name: str) -> None:
    """Press a key in the canvas."""
    next(call for key, call in viewer.keymap.items() if str(key).replace("+", "-") == name)(viewer)


def lineage(dock: Any) -> Any:
    return lineage_of(dock.annotator.workspace.history.values)


def test_one_key_divides_and_follows_and_one_undo_takes_it_back(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any
) -> None:
    assert frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1}
    assert [frames(dock, i) for i in (1, 2, 3)] == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]
    assert len(cell.data) == 5  # a click inside and one beside each daughter are ordinary clicks
    assert "Divides" not in dock.lineage.family.text()  # a daughter is the current object now
    assert "Daughter of Object 1." in dock.lineage.family.text()
    dock.annotator.work.edit.undo()
    settle()
    assert lineage(dock).parents == {} and frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    assert dock.annotator.workspace.objects.ids == (1,) and len(cell.data) == 1
    dock.annotator.work.edit.redo()
    settle()
    assert [frames(dock, i) for i in (1, 2, 3)] == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]
    assert dock.told == []


@pytest.mark.parametrize("seeding", ["the network's own masks", "halves of the mask"])
def test_daughters_are_seeded_in_other_ways_with_the_same_key(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, seeding: str
) -> None:
    dock.lineage.seeding.setCurrentText(seeding)
    workspace = dock.annotator.workspace
    workspace.go_to(3)
    whole = workspace.masklets.get(1, 3).to_dense()
    press_divide(viewer)
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1}
    assert [frames(dock, i) for i in (1, 2, 3)] == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]
    masks = [workspace.masklets.get(i, 3).to_dense() for i in (2, 3)]
    if seeding == "halves of the mask":
        assert (masks[0] ^ masks[1] == whole).all() and len(cell.data) == 1
    else:  # one click each, and of what it can mean not the first, which is everything
        marks = [workspace.prompts[i, 3] for i in (2, 3)]
        assert [(len(m.clicks), m.choice) for m in marks] == [(1, 2), (1, 2)]
    dock.annotator.work.edit.undo()
    settle()
    assert lineage(dock).parents == {} and frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    assert workspace.objects.ids == (1,) and len(cell.data) == 1
    assert dock.told == []


def test_where_the_network_has_no_two_masks_clicks_are_drawn(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, stub_owner: Any
) -> None:
    session = stub_owner.sessions[-1]
    session.predict = lambda frame, prompt: [session._prediction(np.ones((30, 50), bool))]
    dock.lineage.seeding.setCurrentText("the network's own masks")
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1}
    assert [len(dock.annotator.workspace.prompts[i, 3].clicks) for i in (2, 3)] == [2, 2]
    assert "a click went into each half" in dock.told[0]


def test_daughters_remember_the_mother_if_that_is_wanted(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, stub_owner: Any, qtbot: Any
) -> None:
    session = stub_owner.sessions[-1]
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    assert "fork" not in {entry[0] for entry in session.log}
    dock.annotator.work.edit.undo()
    settle()
    dock.lineage.remember.setChecked(True)
    dock.annotator.workspace.go_to(3)
    session.log.clear()
    press_divide(viewer)
    settle()
    said = [entry[:3] for entry in session.log if entry[0] in ("fork", "add", "forget_tracked")]
    assert said[0] == ("fork", 1, 3)  # before the mother is forgotten, and the daughters seeded
    assert [entry[0] for entry in said[1:3]] == ["forget_tracked", "add"]


def test_a_mother_is_not_followed_beyond_her_end(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any
) -> None:
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    dock.annotator.work.propagate("both", None)
    settle()
    assert [frames(dock, i) for i in (1, 2, 3)] == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]


def parents_in(path: Path) -> dict[int, int]:
    """Read the parents out of an export as another program would."""
    if path.suffix == ".xml":
        root = ElementTree.parse(path).getroot()
        objects = {spot.get("ID"): int(spot.get("OBJECT_ID")) for spot in root.iter("Spot")}
        ends = ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")
        links = [[objects[edge.get(end)] for end in ends] for edge in root.iter("Edge")]
        return {daughter: mother for mother, daughter in links if mother != daughter}
    if path.suffix == ".json":
        rows = json.loads(path.read_text())["annotations"]
        return {row["id"]: row["parent"] for row in rows if row["parent"]}
    if path.suffix == ".zarr":
        properties = zarr.open_group(path, mode="r").attrs["image-label"]["properties"]
        return {row["label-value"]: row["parent"] for row in properties if row["parent"]}
    tables = path.with_name(f"{path.stem}_tracks{path.suffix}")
    if path.suffix == ".csv":
        with open(tables, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pyarrow.parquet.read_table(tables).to_pylist()
    return {int(row["object"]): int(row["parent"]) for row in rows if int(row["parent"])}


def test_every_division_made_with_the_key_is_in_every_export(
    dock: Any, divided_twice: None, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {2: 1, 3: 1, 4: 2, 5: 2}
    masklets = dock.annotator.workspace.masklets
    for suffix, form in FORMATS.items():
        path = tmp_path / f"cells{suffix}"
        dock.export.format.setCurrentText(form.name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, p=str(path): (p, ""))
        with qtbot.waitSignal(dock.export.job.background.finished, timeout=20_000):
            qtbot.mouseClick(dock.export.job.start, LEFT)
        assert path.exists(), suffix
        if suffix in (".ctc", ".geff"):
            read = read_tracked(path)
            assert read.lineage.parents == expected
            assert read.calibration.pixel_size_yx == pytest.approx((0.5, 0.25))
            spans = [(t.begin, t.end) for t in read.lineage]
            assert spans == [(0, 1), (2, 3), (2, 5), (4, 5), (4, 5)]
        elif suffix in (".tif", ".ome.tif"):  # have no place for parents, but for each daughter
            assert read_tracked(path).masklets.object_ids == (1, 2, 3, 4, 5)
        elif suffix == ".zip":
            names = {roi.name[:4] for roi in roiread(path)}
            assert names == {f"{object_id:04}" for object_id in masklets.object_ids}
        elif suffix == ".mp4":  # a picture of them: each has an outline in its own colour
            with av.open(str(path)) as container:
                assert len(list(container.decode(video=0))) == 6
        else:
            assert parents_in(path) == expected, suffix


def test_tracks_that_were_written_are_opened_and_corrected(
    dock: Any, divided_twice: None, settle: Any, qtbot: Any, tmp_path: Path
) -> None:
    before = lineage(dock).parents
    export(tmp_path / "x.geff", dock._tracked())
    dock.annotator.work.edit.delete(dock.annotator.workspace.objects.ids)
    settle()
    with qtbot.waitSignal(dock.opening.opened, timeout=20_000):
        dock.opening.read(tmp_path / "x.geff")
    settle()
    assert lineage(dock).parents == before and frames(dock, 3) == [2, 3, 4, 5]
    assert dock.annotator.workspace.objects.name(5) == "Object 1ab"
    with qtbot.waitSignal(dock.opening.opened, timeout=20_000):
        dock.opening.read(tmp_path / "x.geff")  # once more: beside those that are there
    settle()
    assert len(lineage(dock)) == 10 and len(set(lineage(dock).parents.values())) == 4
    dock.annotator.work.edit.undo()
    settle()
    assert lineage(dock).parents == before
    assert dock.told == []


def test_a_saved_session_is_exported(
    dock: Any, divided_twice: None, settle: Any, tmp_path: Path
) -> None:
    workspace = dock.annotator.workspace
    image = Fingerprint.of(np.zeros((6, 30, 50), np.uint16), "movie", axes=("t", "y", "x"))
    header = Header(image, "cells_nano", datetime.now(UTC), "test")
    write_session(tmp_path / "x.jsonl", header, workspace.history.entries)
    read = read_tracked(tmp_path / "x.jsonl")
    assert read.lineage.parents == {2: 1, 3: 1, 4: 2, 5: 2}
    assert same_masks(read.masklets, workspace.masklets)
    assert (read.axes, read.name(2)) == ("TYX", "Object 1a")


def test_buttons_cut_swap_merge_and_end(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    workspace = dock.annotator.workspace
    workspace.go_to(2)
    qtbot.mouseClick(dock.lineage.cut_here, LEFT)
    settle()
    assert (frames(dock, 1), frames(dock, 2)) == ([0, 1], [2, 3, 4, 5])
    dock.lineage.other.setCurrentIndex(0)
    qtbot.mouseClick(dock.lineage.merge, LEFT)
    settle()
    assert frames(dock, 1) == [0, 1, 2, 3, 4, 5] and workspace.objects.ids == (1,)
    workspace.go_to(3)
    qtbot.mouseClick(dock.lineage.end_here, LEFT)
    settle()
    assert frames(dock, 1) == [0, 1, 2, 3] and dock.lineage.family.text() == "Frames 0 to 3."
    for _ in range(3):
        dock.annotator.work.edit.undo()
    settle()
    assert frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    assert dock.told == []


def test_steps_that_are_undone_before_the_network_heard_of_them_leave_nothing(
    dock: Any, cell: Any, settle: Any
) -> None:
    edit, workspace = dock.annotator.work.edit, dock.annotator.workspace
    before = dict(workspace.history.values)
    dock.edits.cut(1, 2)
    dock.edits.merge(1, 2)
    for _ in range(2):
        edit.undo()
    edit.delete([1])
    edit.undo()
    settle()
    assert frames(dock, 1) == [0, 1, 2, 3, 4, 5] and frames(dock, 2) == []
    assert {k: v for k, v in workspace.history.values.items() if k.object_id < 3} == before


def test_split_parts_one_object_and_follows_both(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    dock.annotator.workspace.go_to(2)
    qtbot.mouseClick(dock.lineage.split_here, LEFT)
    settle()
    masklets = dock.annotator.workspace.masklets
    assert frames(dock, 2) == [2, 3, 4, 5] and lineage(dock).parents == {}
    whole, *parts = (masklets.get(i, f).area for i, f in ((1, 1), (1, 2), (2, 2)))
    assert sum(parts) == whole and min(parts) > 0.3 * whole


def test_what_makes_no_sense_is_told_in_a_sentence(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Exception] = []
    monkeypatch.setattr("napari_sam2.widgets.tracks_dock.dock.report", told.append)
    dock.annotator.workspace.go_to(0)
    press_divide(viewer)
    settle()
    assert "after its first frame" in str(told[0]) and frames(dock, 1) == [0, 1, 2, 3, 4, 5]


def test_the_tracks_layer_follows_and_a_click_selects(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    dock.lineage.tracks.setChecked(True)
    settle()
    layer = viewer.layers["movie tracks"]
    assert set(layer.data[:, 0]) == {1} and layer.translate.tolist() == [0, 3, 7]
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    assert {d: list(m) for d, m in layer.graph.items()} == {2: [1], 3: [1]}
    dock._layers[dock.annotator.workspace]._on_click(3)
    assert dock.annotator.workspace.current_object == 3
    for object_id in (3, 1):  # whoever selects it: its track is the brightest
        dock.annotator.work.select_object(object_id)
        own = layer.data[:, 0] == object_id
        assert layer.track_colors[own, :3].mean() > 2 * layer.track_colors[~own, :3].mean()
    dock.lineage.tracks.setChecked(False)
    assert layer not in viewer.layers


def test_numbers_are_there_at_once_and_a_row_leads_to_its_place(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    numbers = dock.numbers
    assert numbers.quantity.currentText() == "area_um2" and len(numbers.plot.lines) == 1
    with qtbot.waitSignal(numbers.measured, timeout=20_000):
        qtbot.mouseClick(numbers.job.start, LEFT)
    settle()
    assert "mean_movie" in numbers.objects  # and stays, for the masks are the same
    numbers.place_selected.emit(1, 4)
    assert dock.annotator.workspace.shown_frame == 4


def test_all_channels_are_measured_those_of_other_layers_too(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    movie = viewer.layers["movie"]
    pixels = np.full(movie.data.shape, 9, np.uint16)
    viewer.add_image(pixels, name="DAPI", scale=movie.scale, translate=movie.translate)
    viewer.add_image(pixels[:, :-1], name="other")
    with qtbot.waitSignal(dock.numbers.measured, timeout=20_000):
        qtbot.mouseClick(dock.numbers.job.start, LEFT)
    settle()
    assert set(dock.numbers.objects["mean_DAPI"]) == {9.0}
    assert set(dock.numbers.objects["background_movie"]) == {0.0}
    assert "mean_other" not in dock.numbers.objects


def search(dock: Any, qtbot: Any) -> None:
    """Let the queue be filled, although the log did not change."""
    qtbot.waitUntil(lambda: not dock.reviewing.is_searching, timeout=10_000)
    with qtbot.waitSignal(dock.reviewing._search.finished, timeout=10_000):
        qtbot.mouseClick(dock.review.search, LEFT)


def lines(dock: Any) -> list[str]:
    return [item.in_words(dock.review.name) for item in dock.review.items]


def line_of(dock: Any, text: str) -> int:
    return next(row for row, line in enumerate(lines(dock)) if text in line)


def test_a_division_is_found_and_accepted(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    masklets = dock.annotator.workspace.masklets
    half = masklets.labels(3, (1,)) > 0
    for frame in (3, 4, 5):
        masklets.paint(1, frame, half & (np.arange(50) < 18))
    search(dock, qtbot)
    dock.review.list.setCurrentRow(line_of(dock, "Object 1: may divide in frame 3"))
    assert dock.annotator.workspace.shown_frame == 3
    assert "it divides here" in dock.review.effect.text()
    qtbot.mouseClick(dock.review.accept, LEFT)
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1}


def test_an_object_that_was_lost_ends_where_its_mask_jumps(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    masklets = dock.annotator.workspace.masklets
    other = np.zeros((30, 50), bool)
    other[20:28, 30:40] = True
    dock.annotator.work.add_masks({2: {f: SparseMask.from_dense(other) for f in range(6)}})
    settle()
    for frame in (3, 4, 5):
        masklets.paint(1, frame, other)
    dock.annotator.workspace.confidence[1, 2] = Confidence(0.3, 1.0)
    search(dock, qtbot)
    dock.review.list.setCurrentRow(line_of(dock, "Object 1: jumps onto Object 2 in frame 3, 60%"))
    qtbot.mouseClick(dock.review.accept, LEFT)
    settle()
    assert frames(dock, 1) == [0, 1, 2] and frames(dock, 2) == [0, 1, 2, 3, 4, 5]


def two_daughters(dock: Any, qtbot: Any) -> list[Suggestion]:
    """Let "track everything" have proposed that 1 divides into 2 and 3, in frame 3."""
    workspace = dock.annotator.workspace
    mask = workspace.masklets.get(1, 3)
    halves = dict(zip((2, 3), split_mask(mask), strict=True))
    dock.annotator.work.add_masks({i: dict.fromkeys((3, 4), half) for i, half in halves.items()})
    workspace.proposed.extend(of_divisions([Division(2, 1, (2, 3), 0.62)]))
    dock.annotator.changed.emit()
    qtbot.waitUntil(lambda: not dock.reviewing.is_searching, timeout=10_000)
    return list(workspace.proposed)


def test_a_division_that_was_proposed_is_accepted_in_one_step(
    dock: Any, cell: Any, settle: Any, qtbot: Any
) -> None:
    two_daughters(dock, qtbot)
    settle()
    dock.review.list.setCurrentRow(
        line_of(dock, "Object 1: may divide in frame 3 into Object 2 and Object 3, 62%")
    )
    assert dock.annotator.workspace.shown_frame == 3
    qtbot.mouseClick(dock.review.accept, LEFT)
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1} and frames(dock, 1) == [0, 1, 2]
    assert dock.annotator.workspace.proposed == []
    dock.annotator.work.edit.undo()
    settle()
    assert lineage(dock).parents == {} and frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    assert dock.told == []


def test_a_division_that_was_proposed_is_rejected_until_that_is_undone(
    dock: Any, cell: Any, settle: Any, qtbot: Any, viewer: ViewerModel
) -> None:
    (proposed,) = two_daughters(dock, qtbot)
    settle()
    dock.review.list.setCurrentRow(line_of(dock, "may divide in frame 3"))
    press(viewer, "Shift-W")
    qtbot.waitUntil(lambda: not dock.reviewing.is_searching, timeout=10_000)
    assert proposed not in [item.suggestion for item in dock.review.items]
    assert lineage(dock).parents == {}
    again = TracksAndNumbers(viewer)  # as if the dock was closed and opened
    qtbot.addWidget(again)
    search(again, qtbot)
    assert not [line for line in lines(again) if "divide" in line]
    again.release()
    assert "rejected" in dock.annotator.work.edit.undo_text
    dock.annotator.work.edit.undo()
    qtbot.waitUntil(lambda: any("may divide in frame 3" in line for line in lines(dock)))


def test_a_suggestion_is_accepted_in_the_timeline_of_the_other_dock(
    dock: Any, cell: Any, settle: Any, viewer: ViewerModel, qtbot: Any
) -> None:
    two_daughters(dock, qtbot)
    settle()
    other = SegmentAndTrack(viewer)
    qtbot.addWidget(other)
    timeline = other.checking.timeline
    dock.annotator.changed.emit()
    qtbot.waitUntil(lambda: timeline._rows == 3 and (1, 3) in timeline._suggested, timeout=5000)
    menu = timeline.menu_at(timeline.position_of(1, 3))
    accept, _ = menu.actions()
    assert accept.text() == (
        "Accept: Object 1: may divide in frame 3 into Object 2 and Object 3, 62%"
    )
    accept.trigger()
    settle()
    assert lineage(dock).parents == {2: 1, 3: 1}
    assert (1, 3) not in timeline._suggested
    dock.annotator.work.edit.undo()
    settle()
    assert lineage(dock).parents == {}
    other.release()
    assert dock.told == []


def test_the_rest_is_accepted_after_a_sample(
    dock: Any, cell: Any, settle: Any, qtbot: Any, viewer: ViewerModel, tmp_path: Path
) -> None:
    workspace = dock.annotator.workspace
    for key in list(workspace.confidence):
        workspace.confidence[key] = Confidence(0.95, 9.0)
    search(dock, qtbot)
    assert dock.review.items == [] and dock.review.state.text() == "Nothing to check."
    assert not dock._tracked().is_reviewed(1, 2) and dock._tracked().is_reviewed(1, 0)  # prompted
    qtbot.mouseClick(dock.review.sample, LEFT)
    assert [item.place for item in dock.review.items] == [(1, frame) for frame in range(1, 6)]
    press(viewer, "Shift-W")
    for _ in range(4):
        press(viewer, "W")
    assert dock.review.state.text() == (
        "1 of 5 masks wrong: error rate 20% (95 % interval 1% to 72%) in 5 masks."
    )
    assert not dock._tracked().is_reviewed(1, 2)
    qtbot.mouseClick(dock.review.rest, LEFT)  # what was found wrong is not accepted
    assert not dock._tracked().is_reviewed(1, 2)
    qtbot.mouseClick(dock.review.sample, LEFT)
    for _ in range(5):
        press(viewer, "W")
    qtbot.mouseClick(dock.review.rest, LEFT)
    assert all(dock._tracked().is_reviewed(1, frame) for frame in range(6))
    export(tmp_path / "numbers.csv", dock._tracked())
    for name in ("numbers.csv", "numbers_tracks.csv"):
        with open(tmp_path / name, newline="", encoding="utf-8") as file:
            assert {row["reviewed"] for row in csv.DictReader(file)} == {"True"}
    points = workspace.prompt_with_points()  # a mask that changes has to be reviewed again
    workspace.go_to(3)
    points.add((3, 12, 15))
    settle()
    assert dock._tracked().is_reviewed(1, 3) and not dock._tracked().is_reviewed(1, 2)
    dock.annotator.work.edit.undo()
    settle()
    assert dock._tracked().is_reviewed(1, 2)


def test_a_closed_dock_leaves_the_annotator_and_another_one_goes_on(
    dock: Any, viewer: ViewerModel, cell: Any, settle: Any, qtbot: Any
) -> None:
    dock.release()
    dock.release()
    assert not dock.annotator.is_closed
    again = TracksAndNumbers(viewer)
    qtbot.addWidget(again)
    assert again.annotator is dock.annotator
    dock.annotator.workspace.go_to(3)
    press_divide(viewer)
    settle()
    assert lineage(again).parents == {2: 1, 3: 1}
    again.release()


def test_in_a_movie_of_stacks_a_whole_time_point_divides(
    dock: Any, viewer: ViewerModel, settle: Any
) -> None:
    settings = {"scale": (60, 2, 0.5, 0.25), "units": ("s", "um", "um", "um")}
    settings |= {"axis_labels": ("t", "z", "y", "x"), "name": "stacks"}
    image = viewer.add_image(np.zeros((2, 3, 30, 50), np.uint16), **settings)
    dock.annotator.choose_image(image, (0, 1))
    dock.annotator.open(CELLS)
    workspace = dock.annotator.workspace
    workspace.go_to(1)
    workspace.prompt_with_points().add((0, 1, 12, 15))
    dock.annotator.work.propagate("both", None)
    settle()
    assert frames(dock, 1) == [0, 1, 2, 3, 4, 5]
    workspace.go_to(4)
    press_divide(viewer)
    settle()
    assert frames(dock, 1) == [0, 1, 2]
    assert [track.begin for track in lineage(dock)] == [None, 3, 3]
    tracked = dock._tracked()
    assert (tracked.axes, tracked.grid, tracked.calibration.z_step) == ("TZYX", (2, 3), 2)
