"""Small pictures that are drawn, in colours that are seen on dark and on light."""

from collections.abc import Callable
from functools import cache

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from napari_sam2.layers.viewer.colours import object_colour

ICON_PX = 14
SHARPNESS = 2  # drawn larger, for screens of high density
MIDDLE_GREY = "#8a8f98"
WARNING = "#e08a00"


def object_qcolor(object_id: int) -> QColor:
    """Give the colour of an object, as in the layers."""
    return QColor.fromRgbF(*(float(part) for part in object_colour(object_id)))


@cache
def swatch(object_id: int) -> QIcon:
    """Draw a square in an object's colour."""

    def draw(painter: QPainter) -> None:
        painter.fillRect(QRectF(1, 1, ICON_PX - 2, ICON_PX - 2), object_qcolor(object_id))

    return _icon(draw)


def ring(colour: str) -> QIcon:
    """Draw a ring, as positive clicks are drawn."""

    def draw(painter: QPainter) -> None:
        painter.setPen(QPen(QColor(colour), 3))
        painter.drawEllipse(QRectF(3, 3, ICON_PX - 6, ICON_PX - 6))

    return _icon(draw)


def cross(colour: str) -> QIcon:
    """Draw a cross, as negative clicks are drawn."""

    def draw(painter: QPainter) -> None:
        painter.setPen(QPen(QColor(colour), 3))
        low, high = 3, ICON_PX - 3
        painter.drawLine(low, low, high, high)
        painter.drawLine(low, high, high, low)

    return _icon(draw)


def triangle(is_down: bool) -> QIcon:
    """Draw a triangle that points down, or to the right, as before what folds away."""

    def draw(painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(MIDDLE_GREY))
        right = (QPointF(4, 2.5), QPointF(4, 11.5), QPointF(10.5, 7))
        down = (QPointF(2.5, 4), QPointF(11.5, 4), QPointF(7, 10.5))
        painter.drawPolygon(QPolygonF(down if is_down else right))

    return _icon(draw)


def padlock(closed: bool) -> QIcon:
    """Draw a padlock: filled where it is closed, a faint outline where it is open."""

    def draw(painter: QPainter) -> None:
        colour = QColor(WARNING if closed else MIDDLE_GREY)
        colour.setAlphaF(1 if closed else 0.55)
        painter.setPen(QPen(colour, 1.5))
        painter.drawArc(QRectF(4, 1.5 if closed else 0.5, 6, 8), 0, (180 if closed else 130) * 16)
        body = QRectF(2.5, 6, 9, 6.5)
        painter.fillRect(body, colour) if closed else painter.drawRect(body)

    return _icon(draw)


def eye(is_open: bool) -> QIcon:
    """Draw an eye, open or closed."""

    def draw(painter: QPainter) -> None:
        colour = QColor(MIDDLE_GREY)
        painter.setPen(QPen(colour, 1.5))
        if is_open:
            painter.drawEllipse(QRectF(1, 3.5, 12, 7))
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(7, 7), 1.8, 1.8)
        else:
            painter.drawArc(QRectF(1, 1, 12, 8), 200 * 16, 140 * 16)
            painter.drawLine(7, 9, 7, 12)
            painter.drawLine(3, 8, 2, 11)
            painter.drawLine(11, 8, 12, 11)

    return _icon(draw)


def _icon(draw: Callable[[QPainter], None]) -> QIcon:
    pixmap = QPixmap(ICON_PX * SHARPNESS, ICON_PX * SHARPNESS)
    pixmap.setDevicePixelRatio(SHARPNESS)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter)
    painter.end()
    return QIcon(pixmap)
