"""The part of the dock where the objects are."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.form_rows import add_row, combo_box, form, row, small_button
from napari_sam2.widgets.objects.object_table import ObjectRow, ObjectTable

ONE_PER_OBJECT, ONE_FOR_ALL = "One layer per object", "One layer for all"
TITLE_PX = 22  # of the columns' titles
LEAST_ROWS, MOST_ROWS = 3, 12  # that are seen at once


class ObjectSection(QWidget):
    """Lists the objects, with buttons for those that are selected.

    Signals
    -------
    created
        A new object is wanted.
    duplicated, merged, deleted
        Ids of the objects.
    per_object_chosen
        Whether each object is to have a layer of its own.
    names_toggled
        Whether all objects are to show their names in the image.
    click_toggled
        Whether each positive click is to be a new object.
    """

    created = Signal()
    duplicated = Signal(list)
    merged = Signal(list)
    deleted = Signal(list)
    per_object_chosen = Signal(bool)
    names_toggled = Signal(bool)
    click_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.table = ObjectTable()
        self.new = small_button("New", "Begin the next object. Key N in the canvas.")
        self.copy = small_button("Copy", "Copy the object with its masks.")
        self.merge = small_button("Merge", "Merge the selected objects into one, in every frame.")
        self.delete = small_button("Delete", "Delete the selected objects, prompts and masks.")
        self.layers = combo_box(
            "Where the masks appear; nothing is lost by changing it. In one layer, where objects "
            "overlap, the one with the highest confidence there is seen; painted and locked masks "
            "come first. Each object keeps its whole mask.",
            [ONE_PER_OBJECT, ONE_FOR_ALL],
        )
        self.names = QCheckBox("Show names")
        self.names.setToolTip("Write the name of each object into the image.")
        self.per_click = QCheckBox("New per click")
        self.per_click.setToolTip("Each positive click begins another object.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table)
        layout.addLayout(row(self.new, self.copy, self.merge, self.delete))
        fields = form()
        add_row(fields, "Layers", self.layers)
        layout.addLayout(fields)
        layout.addLayout(row(self.names, self.per_click))
        self.table.menu_entries = self._menu_entries
        self.new.clicked.connect(self.created)
        for pressed, wanted in (
            (self.copy, self.duplicated),
            (self.merge, self.merged),
            (self.delete, self.deleted),
        ):
            pressed.clicked.connect(lambda _, signal=wanted: signal.emit(self.table.selected_ids))
        self.layers.activated.connect(lambda index: self.per_object_chosen.emit(index == 0))
        self.names.toggled.connect(self.names_toggled)
        self.per_click.toggled.connect(self.click_toggled)
        self.table.selection_changed.connect(self._fit_buttons)
        self._fit_buttons()
        self.fit_table(0)

    def fit_table(self, height: int) -> None:
        """Set the height of the list to the room there is, within limits, in whole rows."""
        row_height = self.table.row_height
        frame = TITLE_PX + 2 * self.table.frameWidth()
        rows = min(max((height - frame) // row_height, LEAST_ROWS), MOST_ROWS)
        self.table.setFixedHeight(frame + rows * row_height)

    def show_rows(self, rows: Sequence[ObjectRow], current: int | None) -> None:
        """List the objects."""
        self.table.show_rows(rows, current)
        self.new.setEnabled(bool(rows))
        self._fit_buttons()

    def show_per_object(self, per_object: bool) -> None:
        """Show in which layers the masks are."""
        self.layers.setCurrentIndex(0 if per_object else 1)

    def show_switches(self, names: bool, per_click: bool) -> None:
        """Show whether names are in the image, and whether each click is a new object."""
        self.names.setChecked(names)
        self.per_click.setChecked(per_click)

    def _fit_buttons(self) -> None:
        n_selected = len(self.table.selected_ids)
        self.copy.setEnabled(n_selected > 0)
        self.delete.setEnabled(n_selected > 0)
        self.merge.setEnabled(n_selected > 1)

    def _menu_entries(self) -> list[tuple[str, Callable[[], None]]]:
        table, ids = self.table, self.table.selected_ids
        return [
            ("Lock", lambda: table.lock_wanted.emit(ids, True)),
            ("Unlock", lambda: table.lock_wanted.emit(ids, False)),
            ("Show", lambda: table.show_wanted.emit(ids, True)),
            ("Hide", lambda: table.show_wanted.emit(ids, False)),
            ("Show these only", lambda: self._show_only(ids)),
            *([("Class …", lambda: table.write_class(ids[0]))] if len(ids) == 1 else []),
            ("Copy", lambda: self.duplicated.emit(ids)),
            ("Merge", lambda: self.merged.emit(ids)),
            ("Delete", lambda: self.deleted.emit(ids)),
        ]

    def _show_only(self, object_ids: list[int]) -> None:
        others = [i for i in self.table.objects.object_ids if i not in object_ids]
        self.table.show_wanted.emit(object_ids, True)
        self.table.show_wanted.emit(others, False)
