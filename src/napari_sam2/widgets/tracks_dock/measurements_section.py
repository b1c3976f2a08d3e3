"""The panel of measurements: a plot over time and a table."""

from collections.abc import Callable, Iterable
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_sam2.layers.viewer.colours import object_colour
from napari_sam2.tracks.measurements import (
    NO_TABLE,
    Table,
    collect,
    measure_tracks,
    measured_frames,
)
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form
from napari_sam2.widgets.controls.line_plot import Line, LinePlot
from napari_sam2.widgets.controls.run_bar import JobPanel
from napari_sam2.widgets.tracks_dock.measurements_table import NumbersTable

OBJECTS, TRACKS = "Objects by frame", "Tracks"
NOT_PLOTTED = ("object", "frame", "parent", "time_", "z_")
MOST_CURVES = 12
PLOT_HEIGHT_PX = 150


class NumbersSection(QWidget):
    """Measures, plots and lists.

    Parameters
    ----------
    source
        Gives what to measure; None if there is nothing.

    Signals
    -------
    place_selected
        Object id and frame (-1 for none) of a row, or frame of the plot with object 0.
    measured
        The table of objects by frame.
    """

    place_selected = Signal(int, int)
    measured = Signal(object)

    def __init__(self, source: Callable[[], Tracked | None]) -> None:
        super().__init__()
        self._source = source
        self._objects = self._tracks = NO_TABLE
        self._selected: tuple[int, ...] = ()
        start = button("Measure all", "Shapes and intensities of all objects in all frames")
        self.job = JobPanel(start, "Stop; the earlier numbers stay", "nothing was measured")
        self.quantity = combo_box("What to plot over the frames")
        self.plot = LinePlot("Click to go to a frame.", PLOT_HEIGHT_PX)
        self.which = combo_box("What the table lists", (OBJECTS, TRACKS))
        self.table = NumbersTable()
        self._arrange()
        self._connect()

    def close_section(self) -> None:
        """Stop measuring."""
        self.job.close_panel()

    @property
    def objects(self) -> Table:
        """The numbers that are shown, objects by frame."""
        return self._objects

    def show_numbers(self, objects: Table, tracks: Table) -> None:
        """Show other numbers."""
        self._objects, self._tracks = objects, tracks
        chosen = self.quantity.currentText()
        names = [
            name
            for name, column in objects.items()
            if column.dtype.kind in "iuf" and not name.startswith(NOT_PLOTTED)
        ]
        if names != [self.quantity.itemText(i) for i in range(self.quantity.count())]:
            self.quantity.blockSignals(True)
            self.quantity.clear()
            self.quantity.addItems(names)
            self.quantity.setCurrentIndex(max(0, names.index(chosen) if chosen in names else 0))
            self.quantity.blockSignals(False)
        self._show_table()
        self._show_plot()

    def select(self, object_ids: Iterable[int], frame: int | None) -> None:
        """Show the curves of these objects, and mark a frame."""
        selected = tuple(object_ids)
        self.plot.show_marker(frame)
        if selected != self._selected:
            self._selected = selected
            self._show_plot()
            if len(selected) == 1:
                self.table.select_object(selected[0])

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.job)
        fields = form()
        add_row(fields, "Plot", self.quantity)
        layout.addLayout(fields)
        layout.addWidget(self.plot, 1)
        fields = form()
        add_row(fields, "Table", self.which)
        layout.addLayout(fields)
        layout.addWidget(self.table, 2)
        self.table.setMinimumHeight(140)

    def _connect(self) -> None:
        self.job.start.clicked.connect(self._start)
        self.job.finished.connect(self._finished)
        self.quantity.currentIndexChanged.connect(self._show_plot)
        self.which.currentIndexChanged.connect(self._show_table)
        self.table.place_selected.connect(self.place_selected)
        self.table.rows_selected.connect(self._show_plot)
        self.plot.x_clicked.connect(lambda x: self.place_selected.emit(0, round(x)))

    def _start(self) -> None:
        tracked = self._source()
        if tracked is None or not tracked.tracks:
            self.job.status.setText("Nothing to measure yet: click a cell and propagate it first.")
        else:
            self.job.run(partial(_measure, tracked), "Measuring …")

    def _finished(self, tables: tuple[Table, Table]) -> None:
        self.job.show_end("")
        self.show_numbers(*tables)
        self.measured.emit(tables[0])

    def _show_table(self) -> None:
        is_tracks = self.which.currentText() == TRACKS
        self.table.show_table(self._tracks if is_tracks else self._objects)

    def _show_plot(self) -> None:
        name = self.quantity.currentText()
        together = self.table.selected_objects
        shown = together if len(together) > 1 else self._selected
        lines = curves(self._objects, name, shown[:MOST_CURVES])
        self.plot.show_lines(name if lines else "Select objects that have masks.", lines)


def curves(objects: Table, name: str, object_ids: Iterable[int]) -> list[Line]:
    """Return a line with frames and values of a quantity for each object that has values."""
    found = []
    for object_id in object_ids if name in objects else ():
        own = objects[objects["object"] == object_id].sort_values("frame")
        if own[name].notna().any():
            colour = QColor.fromRgbF(*object_colour(object_id).tolist())
            x, y = own[["frame", name]].to_numpy(float).T
            found.append(Line(x, y, colour, 2))
    return found


def _measure(tracked: Tracked, progress: Callable[[int, int], None]) -> tuple[Table, Table]:
    rows = []
    for frame, found in enumerate(measured_frames(tracked)):
        rows += found
        progress(frame + 1, tracked.n_frames)
    objects = collect(rows)
    return objects, measure_tracks(tracked, objects)
