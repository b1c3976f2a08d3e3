"""Use the installed plugin in napari: open the sample, click a nucleus, see and export its mask."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

import napari_sam2 as ns

CLICKS = "dividing nuclei clicks"
NUCLEUS = (0, 86, 61)  # frame, row, column in the sample
TIMEOUT_S = 300


def wait(until: Callable[[], bool], expected: str) -> None:
    """Let napari work until something is there."""
    end = time.monotonic() + TIMEOUT_S
    while not until():
        QApplication.processEvents()
        time.sleep(0.02)
        assert time.monotonic() < end, f"expected {expected}, found none in {TIMEOUT_S} s"


def main() -> None:
    """Walk through the plugin and the verbs."""
    assert "site-packages" in ns.__file__, f"expected the installed package, found {ns.__file__}"
    viewer = napari.Viewer(show=False)
    viewer.open_sample("napari-sam2", "dividing_nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    dock.prompts.points.click()
    wait(lambda: CLICKS in viewer.layers, "a layer for clicks")
    clicks = viewer.layers[CLICKS]
    clicks.add(np.array([NUCLEUS]) * viewer.layers[0].scale / clicks.scale)

    def masks() -> list[napari.layers.Labels]:
        return [each for each in viewer.layers if isinstance(each, napari.layers.Labels)]

    wait(lambda: any(np.asarray(each.data[0]).any() for each in masks()), "a mask")
    labels = np.asarray(masks()[0].data[0])
    assert labels[NUCLEUS[1:]], "expected the mask to lie under the click"
    image = np.asarray(viewer.layers[0].data[0])
    with tempfile.TemporaryDirectory() as folder:
        tracks = ns.segment(image, labels)
        ns.export(tracks, Path(folder) / "labels.ome.zarr")
        (row,) = ns.measure(Path(folder) / "labels.ome.zarr", image).itertuples()
    print(f"the mask has {np.count_nonzero(labels)} pixels, {row.area_px2:.0f} after `segment`")
    viewer.close()


if __name__ == "__main__":
    main()
