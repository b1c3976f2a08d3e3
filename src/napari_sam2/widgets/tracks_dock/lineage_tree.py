"""The lineage tree: rows are tracks, columns are time points, divisions are connectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QRect, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPaintDevice, QPainter, QPalette, QResizeEvent
from qtpy.QtSvg import QSvgGenerator
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.layers.viewer.colours import N_COLOURS, object_colour
from napari_sam2.tracks.lineage_layout import LineageLayout, layout_lineage, runs_of
from napari_sam2.tracks.measurements import Table
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.form_rows import button, combo_box
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.tracks_dock.lineage_graphics import RowNames, RowView, TrackLines

BY_OBJECT = "object"
NOT_COLOURS = ("object", "frame", "parent", "time_")
N_LEVELS = 32
ROW_PX = 16
PNG_SCALE = 2
LEAST_HEIGHT_PX, AXIS_HEIGHT_PX = 80, 34
HINT = (
    "Click on a track to go there. The wheel scrolls, Ctrl+wheel zooms, Shift+wheel zooms in time."
)


class LineageTree(QWidget):
    """Draws all tracks of a movie as a tree.

    Signals
    -------
    place_selected
        Object id and time point that were clicked.
    closed
        The widget was taken out of its dock.
    """

    place_selected = Signal(int, int)
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.colour = combo_box("What the tracks are coloured by", [BY_OBJECT])
        self.legend = QLabel()
        self.all = button("Show all", "Show all tracks and the whole time")
        self.export = button("Export…", "Export the tree as it is shown to an SVG or PNG file")
        self.lines = TrackLines()
        self.view = RowView(enableMenu=False)
        self.view.invertY(True)
        self.plot = pyqtgraph.PlotWidget(
            background=None, viewBox=self.view, axisItems={"left": RowNames(self._name_of_row)}
        )
        self.marker = pyqtgraph.InfiniteLine(0)
        self.rows = LineageLayout((), np.zeros((0, 4), np.intp))
        self._tracked: Tracked | None = None
        self._planes = 1  # of each time point
        self._objects: Table = {}
        self._selected = 0, 0  # object and its row
        self._is_zoomed = False  # by the user
        self._arrange()
        self.colour.currentTextChanged.connect(self._draw)
        self.all.clicked.connect(self.show_all)
        self.export.clicked.connect(self._choose_file)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.view.sigRangeChangedManually.connect(self._zoomed)

    def show_tracks(self, tracked: Tracked, objects: Table) -> None:
        """Draw other tracks; zoom and colours stay.

        Parameters
        ----------
        tracked
            Objects and lineage.
        objects
            The table of `measure_objects` or `outline_numbers`: the columns are the choice of
            colours.
        """
        self._tracked, self._objects = tracked, objects
        self._planes = 1 if tracked.is_stack else tracked.n_planes
        self.rows = layout_lineage(tracked.tracks, self._planes)
        columns = [
            name
            for name, column in objects.items()
            if column.dtype.kind in "iuf" and not name.startswith(NOT_COLOURS)
        ]
        chosen = self.colour.currentText()
        if columns != [self.colour.itemText(i) for i in range(1, self.colour.count())]:
            self.colour.blockSignals(True)
            self.colour.clear()
            self.colour.addItems([BY_OBJECT, *columns])
            self.colour.setCurrentIndex(max(0, self.colour.findText(chosen)))
            self.colour.blockSignals(False)
        self.plot.setLabel("bottom", "Plane" if tracked.is_stack else "Frame")
        self._draw()
        self._show_rows_unless_zoomed()

    def select(self, object_id: int, time: int | None) -> None:
        """Mark an object and a time point, and scroll to the object's row if it changed."""
        self.marker.setVisible(time is not None)
        if time is not None:
            self.marker.setValue(time)
        row = self.rows.rows.get(object_id)
        self.lines.select(row)
        if (object_id, row) != self._selected and row is not None:
            self._selected = object_id, row
            rectangle = self.view.viewRect()
            if not rectangle.top() <= row <= rectangle.bottom():
                self.view.translateBy(y=row - rectangle.center().y())

    def show_all(self) -> None:
        """Show all rows and time points."""
        self._is_zoomed = True
        self._show_rows(max(len(self.rows.object_ids), 1))

    def write(self, path: Path) -> None:
        """Write what is shown to a file: .svg or .png, with black text on white."""
        size = self.plot.viewport().size()
        self._set_ink(QColor("black"))
        try:
            if path.suffix.lower() == ".svg":
                generator = QSvgGenerator()
                generator.setFileName(str(path))
                generator.setSize(size)
                generator.setViewBox(QRect(QPoint(0, 0), size))
                self._render(generator)
                is_written = path.is_file()
            else:
                image = QImage(PNG_SCALE * size, QImage.Format.Format_RGB32)
                self._render(image)
                is_written = image.save(str(path))
            if not is_written:
                raise OSError(f"{path}: expected a file that can be written")
        finally:
            self._set_ink(self.palette().color(QPalette.ColorRole.WindowText))

    def event(self, event: QEvent | None) -> bool:
        """Report when napari takes the widget out of its dock, without closing it."""
        handled = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.ParentChange and not self.parent():
            self.closed.emit()
        return handled

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show as many rows as can be read in the new size."""
        super().resizeEvent(event)
        self._show_rows_unless_zoomed()

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw in the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self._set_ink(self.palette().color(QPalette.ColorRole.WindowText))

    def _arrange(self) -> None:
        self.plot.addItem(self.lines)
        self.plot.addItem(self.marker, ignoreBounds=True)
        self.plot.hideButtons()
        self.plot.setToolTip(HINT)
        self.plot.setMinimumHeight(LEAST_HEIGHT_PX)
        self.plot.getAxis("bottom").enableAutoSIPrefix(False)
        self.plot.getAxis("bottom").setHeight(AXIS_HEIGHT_PX)
        self.view.setDefaultPadding(0)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        for push in (self.all, self.export):
            push.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.colour.setMaximumWidth(220)
        top = QHBoxLayout()
        for widget in (QLabel("Colour by"), self.colour, self.legend):
            top.addWidget(widget)
        top.addStretch()
        top.addWidget(self.all)
        top.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(top)
        layout.addWidget(self.plot, 1)
        self._set_ink(self.palette().color(QPalette.ColorRole.WindowText))

    def _render(self, device: QPaintDevice) -> None:
        painter = QPainter(device)
        painter.fillRect(0, 0, device.width(), device.height(), QColor("white"))
        self.plot.render(painter)
        painter.end()

    def _set_ink(self, ink: QColor) -> None:
        self.lines.ink = ink
        self.marker.setPen(pyqtgraph.mkPen(ink, style=Qt.PenStyle.DashLine))
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(ink)
            axis.setTextPen(ink)
        self.lines.update()

    def _draw(self) -> None:
        tracked = self._tracked
        if tracked is None:
            return
        ids = np.asarray(self._objects.get("object", ()), np.intp)
        times = np.asarray(self._objects.get("frame", ()), np.intp) // self._planes
        rows = np.array([self.rows.rows[i] for i in ids.tolist()], np.intp)
        colours, palette, legend = self._colours(ids)
        n_times = tracked.n_frames // self._planes
        self.lines.set_tracks(self.rows, runs_of(rows, times, colours), palette, n_times)
        self.lines.select(self.rows.rows.get(self._selected[0]))
        self.legend.setText(legend)
        n_rows = max(len(self.rows.object_ids), 1)
        self.view.setLimits(xMin=-1, xMax=n_times, yMin=-1, yMax=n_rows, minXRange=4, minYRange=3)

    def _colours(self, ids: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[QColor], str]:
        """Return the colour of each row of the table, all colours, and what they mean."""
        name = self.colour.currentText()
        if name == BY_OBJECT:
            palette = [QColor.fromRgbF(*object_colour(i + 1).tolist()) for i in range(N_COLOURS)]
            return (ids - 1) % N_COLOURS, palette, ""
        values = np.asarray(self._objects[name], float)
        known = np.isfinite(values)
        low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 0.0)
        levels = (values - low) / max(high - low, np.finfo(float).tiny) * (N_LEVELS - 1)
        colours = np.where(known, np.nan_to_num(levels).round(), N_LEVELS).astype(np.intp)
        palette = list(
            pyqtgraph.colormap.get("viridis").getLookupTable(0, 1, N_LEVELS, mode="qcolor")
        )
        ramp = "".join(f"<span style='color:{each.name()}'>█</span>" for each in palette[::4])
        return colours, [*palette, QColor("grey")], f"{low:.4g} {ramp} {high:.4g}"

    def _name_of_row(self, row: int) -> str:
        ids = self.rows.object_ids
        return self._tracked.name(ids[row]) if self._tracked and 0 <= row < len(ids) else ""

    def _show_rows_unless_zoomed(self) -> None:
        """Show all time points, and the first rows, as many as can be read."""
        if not self._is_zoomed:
            self._show_rows(max(1, (self.plot.height() - AXIS_HEIGHT_PX) // ROW_PX))

    def _zoomed(self) -> None:
        self._is_zoomed = True

    def _show_rows(self, n_rows: int) -> None:
        n_times = self.lines.boundingRect().width() - 1
        self.view.setRange(QRectF(-0.5, -0.8, n_times, n_rows), padding=0)

    def _clicked(self, event: Any) -> None:
        place = self.view.mapSceneToView(event.scenePos())
        row, ids = round(place.y()), self.rows.object_ids
        if 0 <= row < len(ids) and self._tracked is not None:
            track = self._tracked.tracks[ids[row]]
            first, last = (track.begin or 0) // self._planes, (track.end or 0) // self._planes
            self.place_selected.emit(ids[row], int(np.clip(round(place.x()), first, last)))

    def _choose_file(self) -> None:
        text, _ = QFileDialog.getSaveFileName(
            self, "Export the lineage tree", "lineage.svg", "SVG (*.svg);;PNG (*.png)"
        )
        if not text:
            return
        path = Path(text)
        if path.suffix.lower() not in (".svg", ".png"):
            path = path.with_name(f"{path.name}.svg")
        try:
            self.write(path)
        except OSError as error:
            report(error)
