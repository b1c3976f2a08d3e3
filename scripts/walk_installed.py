"""Use the installed plugin in napari: open the sample, click a nucleus, see and export its mask."""

import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

import napari_sam2 as ns

NUCLEUS = (0, 86, 61)  # frame, row, column in the sample
TIMEOUT_S = 300


def main() -> None:
    """Walk through the plugin and the verbs."""
    assert "site-packages" in ns.__file__, f"expected the installed package, found {ns.__file__}"
    viewer = napari.Viewer(show=False)
    viewer.open_sample("napari-sam2", "dividing_nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-sam2", "Segment and track")
    dock.prompts.points.click()
    clicks = viewer.layers["dividing nuclei clicks"]
    clicks.add(np.array([NUCLEUS]) * viewer.layers[0].scale / clicks.scale)
    end = time.monotonic() + TIMEOUT_S
    while not (masks := [each for each in viewer.layers if isinstance(each, napari.layers.Labels)]):
        QApplication.processEvents()
        time.sleep(0.02)
        assert time.monotonic() < end, "expected a mask, found none"
    while not np.asarray(masks[0].data[0]).any():
        QApplication.processEvents()
        time.sleep(0.02)
        assert time.monotonic() < end, "expected a mask with pixels, found an empty one"
    labels = np.asarray(masks[0].data[0])
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
