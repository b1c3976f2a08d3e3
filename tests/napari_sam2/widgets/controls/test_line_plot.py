from typing import Any

import numpy as np
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor

from napari_sam2.widgets.controls.line_plot import Line, LinePlot


def test_lines_are_drawn_when_they_are_seen_and_a_click_has_its_x(qtbot: Any) -> None:
    plot = LinePlot("a plot", 150)
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    values = np.arange(10.0)
    values[3] = np.nan
    plot.show_lines("area", [Line(np.arange(10.0), values, QColor("red"), 2)])
    plot.show_marker(4)
    assert plot.plot is None and plot.title.text() == "area"
    plot.show()
    qtbot.waitExposed(plot)
    (item,) = plot.plot.listDataItems()
    np.testing.assert_array_equal(item.yData, values)
    view = plot.plot.getViewBox()
    qtbot.waitUntil(lambda: view.viewRect().right() > 9)  # the range is computed when painted
    for x, expected in ((5.0, 5.0), (40.0, 9.0)):
        at = view.mapViewToScene(QPointF(min(x, view.viewRect().right()), 5.0))
        place = plot.plot.mapFromScene(at)
        with qtbot.waitSignal(plot.x_clicked) as clicked:
            qtbot.mouseClick(
                plot.plot.viewport(),
                Qt.MouseButton.LeftButton,
                pos=QPoint(round(place.x()), round(place.y())),
            )
        assert abs(clicked.args[0] - expected) < 0.2
    plot.show_lines("nothing", ())
    assert not plot.plot.isVisible()
