"""The table of objects, used with mouse and keyboard."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_sam2.widgets.objects.object_table import HEADER_FONT_PX, Column, ObjectRow, ObjectTable

LEFT = Qt.MouseButton.LeftButton
WIDTH_PX = 284  # what a dock of 300 pixels leaves


def rows(n=4):
    return [
        ObjectRow(i, f"cell {i}", "round" if i % 2 else "", n_frames=i, lowest=1 - i / 1000)
        for i in range(1, n + 1)
    ]


@pytest.fixture
def table(qtbot):
    table = ObjectTable()
    qtbot.addWidget(table)
    table.resize(WIDTH_PX, 200)
    table.show_rows(rows(), 1)
    table.show()
    qtbot.waitExposed(table)
    table.told = []
    table.chosen.connect(table.told.append)
    table.lock_wanted.connect(lambda *what: table.told.append(("lock", *what)))
    table.show_wanted.connect(lambda *what: table.told.append(("show", *what)))
    table.objects.renamed.connect(lambda *what: table.told.append(("rename", *what)))
    table.objects.classified.connect(lambda *what: table.told.append(("class", *what)))
    return table


def at(table, row, column=Column.NAME):
    return table.visualRect(table.objects.index(row, int(column))).center()


def texts(table, column):
    count = table.objects.rowCount()
    return [table.objects.index(row, int(column)).data() for row in range(count)]


def test_it_says_what_there_is_of_each_object(table):
    assert texts(table, Column.NUMBER) == ["1", "2", "3", "4"]
    assert texts(table, Column.CATEGORY) == ["round", "", "round", ""]
    assert texts(table, Column.FRAMES) == ["1", "2", "3", "4"]
    assert texts(table, Column.LOWEST)[0] == "100 %"
    assert table.told == []  # showing is not choosing


def test_a_click_chooses_an_object(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 2))
    assert table.told == [3]
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.told == [3, 4]
    assert table.selected_ids == [4]


def test_several_rows_can_be_selected(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 3))
    shift, control = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
    qtbot.mouseClick(table.viewport(), LEFT, shift, at(table, 2))
    qtbot.mouseClick(table.viewport(), LEFT, control, at(table, 0))
    assert table.selected_ids == [1, 3, 4]
    table.show_rows(rows(), 1)  # what was chosen last comes back as the current one
    assert table.selected_ids == [1, 3, 4]


def test_a_name_is_written_in_place(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 1))
    qtbot.mouseDClick(table.viewport(), LEFT, pos=at(table, 1))
    editor = table.findChild(QLineEdit)
    assert editor.text() == "cell 2"
    editor.selectAll()
    qtbot.keyClicks(editor, "mother ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.told[-1] == ("rename", 2, "mother"))
    assert texts(table, Column.NAME)[1] == "cell 2"  # until it has been taken


@pytest.mark.parametrize("text", ["", "  ", "cell 2"])
def test_an_empty_name_and_the_same_one_are_not_taken(table, text):
    table.objects.setData(table.objects.index(1, int(Column.NAME)), text)
    table.objects.setData(table.objects.index(1, int(Column.NUMBER)), "7")
    assert table.told == []


def test_a_class_can_be_taken_back(table):
    table.objects.setData(table.objects.index(0, int(Column.CATEGORY)), "")
    assert table.told == [("class", 1, "")]


def test_a_padlock_and_an_eye_are_switches(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 2, Column.LOCKED))
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 2, Column.VISIBLE))
    assert table.told == [("lock", [3], True), ("show", [3], False)]
    assert table.selected_ids == [1]  # and nothing else happens
    table.show_rows([*rows()[:3], ObjectRow(4, "cell 4", is_locked=True)], 1)
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 3, Column.LOCKED))
    assert table.told[-1] == ("lock", [4], False)


def test_a_switch_of_a_selected_object_is_for_all_that_are(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 1))
    qtbot.mouseClick(table.viewport(), LEFT, Qt.KeyboardModifier.ShiftModifier, at(table, 3))
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 2, Column.VISIBLE))
    assert table.told[-1] == ("show", [2, 3, 4], False)


def test_the_least_sure_come_first_after_a_click_on_the_title(table, qtbot):
    header = table.horizontalHeader()
    title = QPoint(header.sectionViewportPosition(int(Column.LOWEST)) + 9, 5)
    qtbot.mouseClick(header.viewport(), LEFT, pos=title)
    order = table.objects.object_ids
    if order[0] == 1:  # which way the first click goes is the style's choice
        qtbot.mouseClick(header.viewport(), LEFT, pos=title)
    assert table.objects.object_ids == [4, 3, 2, 1]
    assert table.selected_ids == [1]
    assert table.currentIndex().row() == 3
    changed = [*rows()[:3], ObjectRow(4, "cell 4", lowest=1.0)]
    table.show_rows(changed, 1)
    assert table.objects.object_ids == [4, 3, 2, 1]  # rows do not run away from the mouse


def test_objects_come_and_go(table):
    table.show_rows(rows(6), 5)
    assert (table.selected_ids, table.currentIndex().row()) == ([5], 4)
    table.show_rows(rows(2), 2)
    assert texts(table, Column.NAME) == ["cell 1", "cell 2"]
    assert table.selected_ids == [2]
    table.show_rows([], None)
    assert table.objects.rowCount() == 0
    assert table.told == []


def test_what_is_gone_is_not_selected(table, qtbot):
    qtbot.mouseClick(table.viewport(), LEFT, pos=at(table, 1))
    qtbot.mouseClick(table.viewport(), LEFT, Qt.KeyboardModifier.ShiftModifier, at(table, 3))
    table.show_rows([row for row in rows() if row.object_id != 3], 4)
    assert table.selected_ids == [2, 4]
    table.show_rows(rows(1), 4)
    assert table.selected_ids == []


def test_a_menu_offers_what_can_be_done(table, qtbot):
    done = []
    table.menu_entries = lambda: [("Duplicate", lambda: done.append(table.selected_ids))]
    table.customContextMenuRequested.emit(at(table, 0))
    menu = QApplication.activePopupWidget()
    qtbot.keyClick(menu, Qt.Key.Key_Down)
    qtbot.keyClick(menu, Qt.Key.Key_Return)
    assert done == [[1]]


def test_only_rows_that_changed_are_drawn_again(qtbot):
    """With 500 objects each answer of the network changes one row."""
    table = ObjectTable()
    qtbot.addWidget(table)
    many = rows(500)
    table.show_rows(many, 1)
    drawn, resets = [], []
    table.objects.dataChanged.connect(lambda first, last: drawn.append(first.row()))
    table.objects.modelReset.connect(lambda: resets.append(1))
    table.show_rows([*many[:250], ObjectRow(251, "other"), *many[251:]], 1)
    assert (drawn, resets) == ([250], [])


def test_no_column_is_cut_off(table):
    header = table.horizontalHeader()
    font = QFont(header.font())
    font.setPixelSize(HEADER_FONT_PX)
    metrics = QFontMetrics(font)
    assert header.length() <= table.viewport().width()
    for column in (Column.FRAMES, Column.LOWEST, Column.CATEGORY):
        title = table.objects.headerData(int(column), Qt.Orientation.Horizontal)
        needed = metrics.horizontalAdvance(title)
        assert table.columnWidth(int(column)) >= needed, title


def test_rows_grow_with_the_letters_and_all_columns_stay_in_sight(table):
    row = table.rowHeight(0)
    font = QFont(table.font())
    font.setPixelSize(24)
    table.setFont(font)
    assert table.rowHeight(0) >= max(1.5 * row, QFontMetrics(font).height())
    header = table.horizontalHeader()
    assert header.length() <= table.viewport().width()
