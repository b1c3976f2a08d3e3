"""The model section of the dock: looking, downloading, switching, failing, unloading."""

import logging
import re
import threading

import numpy as np
import pytest
from loopback_hub import PAYLOAD, finished, sha256, unfinished
from qtpy.QtCore import Qt

from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.model import model_jobs
from sam2_torch import RELEASED
from sam2_torch.config import SAM1_NETWORKS

DOCK_WIDTH_PX = 300


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def registry(hub, tmp_path, monkeypatch):
    """A laboratory's registry with one model, which the loopback hub has."""
    path = tmp_path / "models.toml"
    path.write_text(
        '[models.net]\nrepo = "lab/net"\nfile = "net.pt"\nlicence = "CC0 <free>"\n'
        'description = "yeast & others"\n'
    )
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(path))
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(model_jobs, "REPORT_EVERY_S", 0.0)
    return path


@pytest.fixture
def dock(viewer, stub_owner, registry, qtbot):
    """The widget with a movie and its model section unfolded; the network is a stub."""
    viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie", scale=(1, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    widget.model.toggleButton().click()
    qtbot.waitUntil(lambda: widget.model.model.findData("net") >= 0)
    qtbot.waitUntil(lambda: "mps" not in devices(widget) or "cuda" not in devices(widget))
    return widget


def devices(dock):
    return [dock.model.device.itemText(i) for i in range(dock.model.device.count())]


def pick(dock, name):
    index = dock.model.model.findData(name)
    assert index >= 0, name
    dock.model.model.setCurrentIndex(index)
    dock.model.model.activated.emit(index)


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def idle(dock):
    annotator = dock.annotator
    return not annotator.worker.is_busy and not annotator.propagation.is_showing


def begin(dock, viewer, qtbot):
    """Click on the image, and wait for the mask."""
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 12, 33))
    qtbot.waitUntil(lambda: dock.annotator.network.device != "" and idle(dock))
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1


def still_answers(dock, viewer, qtbot):
    """The model from before goes on: same session, and the next click gets its mask."""
    assert dock.annotator.network.model == ("cells_nano", "auto")
    viewer.layers["movie clicks"].add((0, 20, 10))
    qtbot.waitUntil(lambda: viewer.layers["Object 1"].data[0, 20, 10] == 1)
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1


def test_all_models_are_listed(dock):
    combo = dock.model.model
    texts = [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count() - 2)]
    names = [name for _, name in texts if name]
    assert names[:2] == ["cells_nano", "hvit_t_cells"] and names[-1] == "net"
    assert {*RELEASED, *SAM1_NETWORKS, "vit_b_lm", "vit_b_em_organelles"} < {*names}
    headings = [text for text, name in texts if name is None]
    assert headings[0] == "Microscopy of many kinds" and headings[-1] == "Models of your own"
    assert texts.index(("vit_b_lm", "vit_b_lm")) < texts.index(("Everyday images", None))
    assert not combo.model().item(combo.findText(headings[1])).isEnabled()
    assert combo.itemText(combo.count() - 1) == "Choose a file…"
    said = dock.model.details.text()
    assert "Embedded" in said and "17 MB, 8.6 M parameters, licence BSD-3-Clause" in said
    assert "Speed: not measured" in said
    assert devices(dock)[0] == "auto" and "cpu" in devices(dock)
    pick(dock, "sam2.1_hiera_large")
    said = dock.model.details.text()
    assert "Not downloaded" in said and "cells_nano is used until it is" in said
    assert "898 MB, 224.4 M parameters, licence Apache-2.0" in said and "J&amp;F 79.5" in said
    pick(dock, "net")
    assert "CC0 &lt;free&gt;" in dock.model.details.text()
    assert dock.annotator.network.model == ("cells_nano", "auto")
    assert dock.model.text() == "Model: cells_nano on auto"


def test_a_download_is_used_when_it_is_here(dock, viewer, qtbot, hub, stub_owner):
    begin(dock, viewer, qtbot)
    hub.hold_after = 500_000
    pick(dock, "net")
    press(qtbot, dock.model.download)
    qtbot.waitUntil(lambda: "0.5 of 2 MB" in dock.model.status.text())
    assert dock.model.bar.isVisibleTo(dock) and dock.model.bar.value() == 238
    assert dock.model.download.text() == "Cancel"
    still_answers(dock, viewer, qtbot)  # meanwhile
    hub.go_on.set()
    qtbot.waitUntil(lambda: dock.annotator.network.model == ("net", "auto") and idle(dock))
    qtbot.waitUntil(lambda: "In use" in dock.model.details.text())
    assert stub_owner.models[-1] == ("net", "auto")
    qtbot.waitUntil(lambda: not dock.model.download.isEnabled())
    assert not dock.model.bar.isVisibleTo(dock)
    assert dock.model.text() == "Model: net on auto"


def test_a_download_is_cancelled_and_resumed(dock, viewer, qtbot, hub, cache, messages):
    hub.hold_after = 700_000
    pick(dock, "net")
    press(qtbot, dock.model.download)
    qtbot.waitUntil(lambda: "0.7 of 2 MB" in dock.model.status.text())
    press(qtbot, dock.model.download)
    hub.go_on.set()  # the next piece comes, and finds that it is not wanted
    qtbot.waitUntil(lambda: "Cancelled" in dock.model.status.text())
    qtbot.waitUntil(lambda: dock.model.download.text() == "Resume")
    kept = unfinished(cache)
    assert finished(cache) == [] and len(kept) == 1 and kept[0] >= 700_000
    assert f"Not downloaded</b>, {kept[0] / 1e6:.1f} MB are here" in dock.model.details.text()
    assert messages == []
    press(qtbot, dock.model.download)
    qtbot.waitUntil(lambda: dock.annotator.network.model == ("net", "auto"))
    assert hub.ranges == [None, f"bytes={kept[0]}-"]
    assert finished(cache) == [sha256(PAYLOAD), "net.pt"] and unfinished(cache) == []


def test_a_download_that_fails_says_why_and_the_model_from_before_goes_on(
    dock, viewer, qtbot, cache, messages, failure
):
    fail, sentence = failure
    begin(dock, viewer, qtbot)
    pick(dock, "net")
    fail()
    press(qtbot, dock.model.download)

    def of_download():  # a full disk is a trouble of the session, too
        return [each for each in messages if "session" not in each.message]

    qtbot.waitUntil(lambda: bool(of_download()))
    (message,) = of_download()
    assert sentence in message.message
    assert "\n" not in message.message
    assert not hasattr(message, "exception")  # no traceback
    assert message.message == dock.model.status.text()
    assert finished(cache) == []
    assert dock.model.shown == "net" and dock.model.download.isEnabled()
    still_answers(dock, viewer, qtbot)
    assert of_download() == [message]


def test_a_file_is_verified_and_removed(dock, qtbot, hub, cache):
    pick(dock, "net")
    assert not dock.model.verify.isEnabled() and not dock.model.remove.isEnabled()
    press(qtbot, dock.model.download)
    qtbot.waitUntil(lambda: dock.model.verify.isEnabled())
    dock.model.verify.trigger()
    qtbot.waitUntil(lambda: dock.model.status.text() == "net is intact.")
    (cache / "hub/models--lab--net/blobs" / sha256(PAYLOAD)).write_bytes(b"damaged")
    dock.model.verify.trigger()
    qtbot.waitUntil(lambda: "net is damaged: remove it" in dock.model.status.text())
    dock.model.remove.trigger()
    qtbot.waitUntil(lambda: "MB freed" in dock.model.status.text())
    qtbot.waitUntil(lambda: "Not downloaded" in dock.model.details.text())
    assert finished(cache) == []
    pick(dock, "cells_nano")
    assert not dock.model.remove.isEnabled()
    dock.model.verify.trigger()
    qtbot.waitUntil(lambda: dock.model.status.text() == "cells_nano is intact.")


def test_switching_keeps_masks_and_prompts(dock, viewer, qtbot, stub_owner, tmp_path):
    begin(dock, viewer, qtbot)
    dock.objects.new.click()
    viewer.dims.set_point(0, 2)
    viewer.layers["movie clicks"].add((2, 20, 10))
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: dock.propagation.status.text() == "Done.")
    before = viewer.layers["Object 1"].data[5].copy()
    assert before.any()
    dock.annotator.choose_model("other", "cpu")
    qtbot.waitUntil(lambda: dock.annotator.network.device == "cpu" and idle(dock))
    _, new = stub_owner.sessions
    assert new.model == "other" and sorted(new.masks) == [1, 2]
    assert set(new.masks[1]) == {0} and set(new.masks[2]) == {2}  # all that was said
    np.testing.assert_array_equal(viewer.layers["Object 1"].data[5], before)
    assert len(viewer.layers["movie clicks"].data) == 2
    assert dock.model.text() == "Model: other on cpu"
    assert (dock.model.shown, dock.model.device.currentText()) == ("other", "cpu")
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: dock.propagation.status.text() == "Done.")


def test_a_file_that_cannot_be_loaded_leaves_the_session(
    dock, viewer, qtbot, stub_owner, messages, monkeypatch
):
    begin(dock, viewer, qtbot)
    monkeypatch.setattr(dock.model, "ask_file", lambda: "missing.pt")
    dock.model.model.activated.emit(dock.model.model.count() - 1)
    qtbot.waitUntil(lambda: bool(messages) and idle(dock))
    assert "found no such file" in messages[0].message
    assert dock.model.shown == "cells_nano"
    assert dock.model.text() == "Model: cells_nano on auto"
    assert len(stub_owner.sessions) == 1
    still_answers(dock, viewer, qtbot)
    assert len(messages) == 1


def test_unloading_and_going_on(dock, viewer, qtbot, stub_owner):
    assert not dock.model.unload.isEnabled()
    begin(dock, viewer, qtbot)
    press(qtbot, dock.model.unload)
    qtbot.waitUntil(lambda: stub_owner.model is None)
    assert dock.model.text() == "Model: cells_nano, unloaded"
    assert not dock.model.unload.isEnabled()
    assert viewer.layers["Object 1"].data[0, 12, 33] == 1
    still_answers(dock, viewer, qtbot)  # it is loaded again
    assert stub_owner.models == [("cells_nano", "auto")] * 2
    assert dock.model.text() == "Model: cells_nano on auto"


def test_unloading_ends_a_propagation_and_the_next_one_loads(dock, viewer, qtbot, stub_owner):
    begin(dock, viewer, qtbot)
    dock.propagation.run.click()
    dock.model.unload.click()
    assert not dock.annotator.propagation.is_running
    qtbot.waitUntil(lambda: stub_owner.model is None)
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: dock.propagation.status.text() == "Done.")
    assert viewer.layers["Object 1"].data[5].any()


def test_a_device_is_chosen(dock, viewer, qtbot, stub_owner):
    begin(dock, viewer, qtbot)
    dock.model.device.setCurrentText("cpu")
    dock.model.device.activated.emit(dock.model.device.currentIndex())
    qtbot.waitUntil(lambda: dock.annotator.network.device == "cpu")
    assert stub_owner.models[-1] == ("cells_nano", "cpu")


def test_warnings_of_the_network_reach_the_user(dock, viewer, qtbot, messages):
    """As the tracker gives when memory is short and it halves the batch."""
    begin(dock, viewer, qtbot)
    warn = logging.getLogger("sam2_torch.sessions.tracker").warning
    sentence = "The device's memory is full: going on with %d objects at a time"
    dock.annotator.network.submit(lambda owner: warn(sentence, 8))  # on the worker's thread
    qtbot.waitUntil(lambda: bool(messages))
    assert messages[0].message == f"{sentence % 8}."
    annotator_of(viewer).close()
    handlers = logging.getLogger("sam2_torch").handlers
    assert not handlers


def test_embeddings_are_kept_made_ahead_and_deleted(dock, viewer, qtbot, stub_owner, tmp_path):
    section = dock.model
    assert not section.embed.isEnabled()
    begin(dock, viewer, qtbot)
    section.keep_embeddings.trigger()
    qtbot.waitUntil(lambda: f"kept in {tmp_path / 'cache'}" in section.status.text())
    session = stub_owner.sessions[-1]
    assert session.store.folder == tmp_path / "cache" / "embeddings"
    section.embed.trigger()
    assert section.embed.text() == "Stop encoding"
    qtbot.waitUntil(lambda: section.status.text() == "All frames are encoded.")
    assert section.embed.text() == "Encode all frames now" and not section.bar.isVisibleTo(dock)
    (session.store.folder / "ab").mkdir(parents=True)
    (session.store.folder / "ab" / "abc.embedding").write_bytes(bytes(3_000_000))
    section.clear_embeddings.trigger()
    qtbot.waitUntil(lambda: section.status.text() == "3 MB of embeddings deleted.")
    dock.annotator.choose_model("other", "cpu")
    qtbot.waitUntil(lambda: dock.annotator.network.device == "cpu" and idle(dock))
    assert stub_owner.sessions[-1].store is session.store  # of the next session, too
    section.keep_embeddings.trigger()
    qtbot.waitUntil(lambda: stub_owner.sessions[-1].store is None)


def test_encoding_can_be_stopped(dock, viewer, qtbot, stub_owner, monkeypatch):
    begin(dock, viewer, qtbot)
    section, go_on, done = dock.model, threading.Event(), []

    def embed():
        for frame in range(6):
            done.append(frame)
            yield frame
            go_on.wait(10)

    monkeypatch.setattr(stub_owner.sessions[-1], "embed", embed)
    section.embed.trigger()
    qtbot.waitUntil(lambda: section.status.text() == "1 of 6 frames encoded")
    assert section.bar.isVisibleTo(dock)
    section.embed.trigger()
    go_on.set()
    qtbot.waitUntil(lambda: section.status.text() == "Stopped; what is encoded stays.")
    assert len(done) <= 2 and section.embed.isEnabled()
    still_answers(dock, viewer, qtbot)


def test_windows_are_not_encoded_ahead(dock, viewer, qtbot, stub_owner, messages):
    begin(dock, viewer, qtbot)
    stub_owner.sessions[-1].crops = object()
    section = dock.model
    section.embed.trigger()
    qtbot.waitUntil(lambda: "seen whole, found windows" in section.status.text())
    assert section.embed.text() == "Encode all frames now"


@pytest.mark.parametrize("action", ["embed", "measure"])
def test_what_fails_is_told_and_can_be_begun_again(
    dock, viewer, qtbot, stub_owner, messages, action
):
    begin(dock, viewer, qtbot)

    def fail():
        raise MemoryError("no room for that")
        yield

    entry = getattr(dock.model, action)
    setattr(stub_owner, action, fail)
    entry.trigger()
    qtbot.waitUntil(lambda: len(messages) == 1 and entry.isEnabled())
    assert dock.model.status.text() in (
        "Not encoded: no room for that",
        "Not measured: no room for that",
    )
    still_answers(dock, viewer, qtbot)


def test_the_registry_file_is_opened_and_read_again(dock, qtbot, registry, monkeypatch, messages):
    opened = []
    monkeypatch.setattr(
        "napari_sam2.widgets.model.model_chooser.QDesktopServices.openUrl",
        lambda url: opened.append(url.toLocalFile()),
    )
    dock.model.registry.trigger()
    qtbot.waitUntil(lambda: opened == [str(registry)])
    registry.write_text(
        registry.read_text() + '[models.mine]\npath = "x.pt"\n[models.bad]\nurl="no"'
    )
    dock.model.refresh.trigger()
    qtbot.waitUntil(lambda: dock.model.model.findData("mine") >= 0)
    assert "model 'bad', key 'url'" in dock.model.problems.text()
    pick(dock, "mine")
    assert "The file is missing" in dock.model.details.text()
    assert (
        dock.annotator.network.model == ("cells_nano", "auto")
        and not dock.model.download.isEnabled()
    )


def test_closing_the_dock_stops_the_download(dock, viewer, qtbot, hub, cache):
    hub.hold_after = 100_000
    pick(dock, "net")
    press(qtbot, dock.model.download)
    qtbot.waitUntil(lambda: "0.1 of 2 MB" in dock.model.status.text())
    viewer.window.remove_dock_widget(dock)
    hub.go_on.set()
    qtbot.waitUntil(lambda: unfinished(cache) != [] and finished(cache) == [])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_cut_off(dock, viewer, qtbot, theme):
    viewer.theme = theme
    viewer.window.show()
    pick(dock, "sam2.1_hiera_base_plus")
    dock.model.show_text(dock.model.status, "some words " * 20)
    dock.model.bar.show()
    assert dock.minimumSizeHint().width() <= DOCK_WIDTH_PX
    dock.setFixedSize(DOCK_WIDTH_PX, 900)
    section = dock.model
    qtbot.waitUntil(lambda: section.status.width() < DOCK_WIDTH_PX)
    for each in (section.download, section.unload, section.more):
        assert each.width() >= each.minimumSizeHint().width(), each.text()
        assert each.toolTip()
    for label in (section.details, section.status):
        height = label.heightForWidth(label.width())
        qtbot.waitUntil(lambda label=label, height=height: label.height() >= height)


def test_the_real_network_is_measured_switched_and_unloaded(viewer, qtbot, registry, tmp_path):
    """A click's mask is there again from another network, and after the first is unloaded."""
    y, x = np.ogrid[:96, :128]
    disc = (y - 30) ** 2 + (x - 40) ** 2 <= 100
    viewer.add_image((disc * 3000 + 400).astype(np.uint16)[None].repeat(2, 0), name="movie")
    viewer.dims.set_point(0, 0)
    import torch

    from sam2_torch import load_sam2

    torch.save({"model": load_sam2("cells_nano", "cpu").state_dict()}, tmp_path / "tuned.pt")
    dock = Sam2Dock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    dock.annotator.choose_model("cells_nano", "cpu")
    dock.model.toggleButton().click()
    dock.prompts.points.click()
    viewer.layers["movie clicks"].add((0, 30, 40))
    qtbot.waitUntil(lambda: dock.annotator.network.device == "cpu" and idle(dock), timeout=20_000)
    assert re.search("<b>In use</b> on cpu, (float32|bfloat16)", dock.model.details.text())
    dock.model.measure.trigger()
    assert not dock.model.measure.isEnabled()
    qtbot.waitUntil(lambda: "Measured: " in dock.model.status.text(), timeout=20_000)
    qtbot.waitUntil(lambda: "on cpu in" in dock.model.details.text())
    first = viewer.layers["Object 1"].data[0].copy()
    assert (first[disc] == 1).mean() > 0.7
    dock.annotator.choose_model(str(tmp_path / "tuned.pt"), "cpu")
    qtbot.waitUntil(lambda: dock.annotator.network.device == "cpu" and idle(dock), timeout=20_000)
    np.testing.assert_array_equal(viewer.layers["Object 1"].data[0], first)
    press(qtbot, dock.model.unload)
    dock.propagation.run.click()
    qtbot.waitUntil(lambda: dock.propagation.status.text() == "Done.", timeout=20_000)
    assert (viewer.layers["Object 1"].data[1][disc] == 1).mean() > 0.7
