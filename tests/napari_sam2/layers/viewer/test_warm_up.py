"""What is imported before the user waits for it."""

import subprocess
import sys

CODE = """
import sys, threading
from napari_sam2.layers.viewer.warm_up import warm_up
assert "pandas" not in sys.modules
thread = threading.Thread(target=warm_up)
thread.start()
thread.join()
# a layer made on this thread would have filled pint's registry while the GUI thread does so
assert not {name for name in sys.modules if name.startswith(("napari.", "pint"))}
import numpy as np
from napari.components import ViewerModel
from napari_sam2.layers.prompt_layers.points_and_shapes import make_points_layer, make_shapes_layer
viewer = ViewerModel()
image = viewer.add_image(np.zeros((3, 20, 30)))
before = set(sys.modules)
for make in (make_points_layer, make_shapes_layer):
    viewer.add_layer(make(image, "prompts"))
late = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not late & {"pandas", "numba", "pyarrow", "scipy"}, late
assert "qtpy" not in sys.modules
"""


def test_the_first_layers_import_nothing_heavy_any_more():
    subprocess.run([sys.executable, "-c", CODE], check=True)
