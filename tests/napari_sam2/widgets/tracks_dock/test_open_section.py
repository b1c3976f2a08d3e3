"""Opening masks of other programs in the dock "Tracks and numbers": as they are, and linked."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from open_docks import PLACEMENT, tracks_dock
from qtpy.QtCore import Qt

from napari_sam2.annotation.track_edits import lineage_of
from napari_sam2.widgets.tracks_dock.dock import TracksAndNumbers
from napari_sam2.widgets.tracks_dock.open_section import Identities

LEFT = Qt.MouseButton.LeftButton
SHAPE = (5, 30, 50)


@pytest.fixture
def viewer(make_viewer: Any) -> Any:
    return make_viewer(SHAPE[0], **PLACEMENT)


@pytest.fixture
def dock(qtbot: Any, viewer: ViewerModel, stub_owner: Any) -> Any:
    with tracks_dock(qtbot, viewer, stub_owner) as dock:
        dock.opening.job.failed.connect(dock.told.append)
        dock.annotator.network.model = ("cells_nano", "cpu")
        yield dock


def labels_of_each_frame() -> np.ndarray:
    """Two cells that go a pixel to the right in each frame, of which one divides in frame 3.

    The labels of each frame are other ones, as a program makes them that knows no movies.
    """
    labels = np.zeros(SHAPE, np.int32)
    for frame, image in enumerate(labels):
        first, second, third = np.roll((4, 9, 6), frame)
        image[3:9, 4 + frame : 12 + frame] = first
        if frame < 3:
            image[15:25, 20 + frame : 32 + frame] = second
        else:
            image[15:25, 17 + frame : 24 + frame] = second
            image[15:25, 29 + frame : 36 + frame] = third
    return labels


def choose(qtbot: Any, dock: TracksAndNumbers, name: str) -> None:
    """Take an entry of the menu under *Open tracks…*, and wait until all of it is done."""
    menu = dock.opening.menu()
    (action,) = (each for each in menu.actions() if name in each.text())
    action.trigger()
    wait(qtbot, dock)


def wait(qtbot: Any, dock: TracksAndNumbers) -> None:
    qtbot.waitUntil(
        lambda: not dock.opening.job.is_running and not dock.annotator.worker.is_busy,
        timeout=20_000,
    )


def frames(dock: TracksAndNumbers) -> dict[int, list[int]]:
    masklets = dock.annotator.workspace.masklets
    return {
        i: [frame for frame in masklets.frames(i) if masklets.get(i, frame)]
        for i in masklets.object_ids
    }


def parents(dock: TracksAndNumbers) -> dict[int, int]:
    return lineage_of(dock.annotator.workspace.history.values).parents


def test_a_labels_layer_without_identities_is_linked_and_corrected(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel
) -> None:
    labels = labels_of_each_frame()
    movie = viewer.layers["movie"]
    viewer.add_labels(labels, name="cellpose", scale=movie.scale, translate=movie.translate)
    viewer.add_labels(labels[:, 1:], name="other shape")
    names = [action.text() for action in dock.opening.menu().actions()]
    assert names[2:] == ["The layer “cellpose”"]
    dock.opening.identities.setCurrentText(Identities.LINKED)
    choose(qtbot, dock, "cellpose")
    assert dock.opening.job.status.text() == "Linked: 4 objects, 1 division."
    assert frames(dock) == {1: [0, 1, 2, 3, 4], 2: [0, 1, 2], 3: [3, 4], 4: [3, 4]}
    assert parents(dock) == {3: 2, 4: 2}
    workspace = dock.annotator.workspace
    drawn = sum((workspace.masklets.labels(f) > 0).sum() for f in range(5))
    assert drawn == (labels > 0).sum()  # the masks are those of the layer
    assert len(dock.opening.menu().actions()) == 3  # the layers of the objects are none to open
    # they are objects like any others: a click corrects one, and undo takes the whole back
    dock.annotator.work.select_object(3)
    workspace.go_to(3)
    before = workspace.masklets.get(3, 3).area
    workspace.prompt_with_points().add((3, 5, 40))
    wait(qtbot, dock)
    assert workspace.masklets.get(3, 3).area != before
    dock.annotator.work.edit.undo()
    dock.annotator.work.edit.undo()
    wait(qtbot, dock)
    assert frames(dock) == {} and parents(dock) == {}
    assert dock.told == []


def test_without_divisions_nobody_has_a_mother(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel
) -> None:
    viewer.add_labels(labels_of_each_frame(), name="cellpose")
    dock.opening.identities.setCurrentText(Identities.LINKED_WHOLE)
    choose(qtbot, dock, "cellpose")
    assert parents(dock) == {} and len(frames(dock)) == 3
    assert dock.opening.job.status.text() == "Linked: 3 objects, 0 divisions."


def test_a_label_movie_with_identities_is_taken_as_it_is(
    qtbot: Any, dock: TracksAndNumbers, tmp_path: Path
) -> None:
    labels = np.zeros(SHAPE, np.uint16)
    labels[1:4, 5:9, 5:9], labels[:, 15:25, 20:30] = 3, 70
    tifffile.imwrite(tmp_path / "x.tif", labels, imagej=True, metadata={"axes": "TYX"})
    with qtbot.waitSignal(dock.opening.opened, timeout=20_000):
        dock.opening.read(tmp_path / "x.tif")
    wait(qtbot, dock)
    assert frames(dock) == {3: [1, 2, 3], 70: [0, 1, 2, 3, 4]}
    assert dock.opening.job.status.text() == "Read 2 objects."
    assert dock.opening.job.bar.isHidden()


def test_an_empty_label_movie_is_told(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel
) -> None:
    viewer.add_labels(np.zeros(SHAPE, np.int32), name="nothing")
    for identities in Identities:
        dock.opening.identities.setCurrentText(identities)
        choose(qtbot, dock, "nothing")
        assert dock.opening.job.status.text() == "It holds no object."
    assert frames(dock) == {} and dock.told == []


def test_labels_of_another_movie_are_refused_in_a_sentence(
    qtbot: Any, dock: TracksAndNumbers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Exception] = []
    monkeypatch.setattr("napari_sam2.widgets.tracks_dock.linking.report", told.append)
    other = np.ones((4, 9, 9), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", other, imagej=True, metadata={"axes": "TYX"})
    dock.opening.identities.setCurrentText(Identities.LINKED)
    with qtbot.waitSignal(dock.opening.linked, timeout=20_000):
        dock.opening.read(tmp_path / "x.tif")
    wait(qtbot, dock)
    assert "expected 5 frames of 30 x 50 as in the movie, found 4" in str(told[0])
    assert dock.opening.job.status.text() == "Nothing was imported." and frames(dock) == {}


def test_linking_can_be_cancelled_and_nothing_is_taken(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def stop(done: int, total: int, doing: str | None = None) -> None:
        told.append(done)
        if done == 1:  # the first frame of five is linked
            qtbot.mouseClick(dock.opening.job.cancel, LEFT)

    show = dock.opening.job.show_progress
    monkeypatch.setattr(
        dock.opening.job, "show_progress", lambda *said: (show(*said), stop(*said)) and None
    )
    monkeypatch.setattr("stub_session.StubSession.reset", lambda session: time.sleep(0.1))
    viewer.add_labels(labels_of_each_frame(), name="cellpose")
    dock.opening.identities.setCurrentText(Identities.LINKED)
    choose(qtbot, dock, "cellpose")
    assert dock.opening.job.status.text() == "Stopped; nothing was imported."
    assert max(told) < 5 and frames(dock) == {}


def test_a_network_that_cannot_link_says_so(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no memory is left")

    monkeypatch.setattr("stub_session.StubSession.reset", fail)
    viewer.add_labels(labels_of_each_frame(), name="cellpose")
    dock.opening.identities.setCurrentText(Identities.LINKED)
    choose(qtbot, dock, "cellpose")
    assert [str(error) for error in dock.told] == ["no memory is left"]
    assert dock.opening.job.status.text() == "Nothing was imported." and frames(dock) == {}


def test_something_else_that_fails_does_not_end_the_linking(
    qtbot: Any, dock: TracksAndNumbers, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = dock.opening.job.show_progress

    def show_and_fail(done: int, total: int, doing: str | None = None) -> None:
        show(done, total, doing)
        if done == 1:  # as a click does that is answered meanwhile
            dock.annotator.failed.emit(ValueError("this click cannot be answered"))
            goes_on.append(dock.opening.job.cancel.isEnabled())

    goes_on: list[bool] = []
    monkeypatch.setattr(dock.opening.job, "show_progress", show_and_fail)
    viewer.add_labels(labels_of_each_frame(), name="cellpose")
    dock.opening.identities.setCurrentText(Identities.LINKED)
    choose(qtbot, dock, "cellpose")
    assert goes_on == [True]
    assert [str(error) for error in dock.told] == ["this click cannot be answered"]
    assert dock.opening.job.status.text() == "Linked: 4 objects, 1 division."
    assert len(frames(dock)) == 4
