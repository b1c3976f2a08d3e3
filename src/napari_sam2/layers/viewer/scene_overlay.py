"""Lines and texts over an image that are no layer: not listed, not saved, not in a click's way."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

LINE_PX, RIM_PX = 2, 4  # on the screen; the rim is dark, so that lines are seen on any image
TEXT_PT, BOLD = 9, True
TALL = "ÅÉÑŐjgpqy "  # characters by which vispy aligns any text
IN_FRONT = 10**6
SHADE = (0.0, 0.0, 0.0, 0.8)

Colour = tuple[float, float, float, float]


class Line(NamedTuple):
    """Segments in one colour: (S, 2, 2) ends in image pixels, (y, x)."""

    segments_yx: NDArray[np.float32]
    colour: Colour


class Name(NamedTuple):
    """A text whose lower edge is centred at a place in image pixels."""

    text: str
    place_yx: tuple[float, float]
    colour: Colour


class SceneOverlay:
    """Draws into the scene of a viewer's canvas; a viewer without a window draws nothing.

    Parameters
    ----------
    viewer, image
        The image in its viewer; coordinates are its pixels.
    later
        Calls a function in a later turn of the event loop.

    Attributes
    ----------
    lines, names
        What is drawn.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.lines: tuple[Line, ...] = ()
        self.names: tuple[Name, ...] = ()
        self._viewer = viewer
        self._image = image
        self._later = later
        self._visuals: tuple[Any, ...] = ()  # rims, lines, texts
        self._characters: set[str] = set()  # that napari has drawn before
        self._is_waiting = False  # for a character

    def show(self, lines: Sequence[Line] = (), names: Sequence[Name] = ()) -> None:
        """Draw these in place of what was drawn before."""
        self.lines, self.names = tuple(lines), tuple(names)
        canvas = self._canvas()
        if canvas is None or not (self._visuals or lines or names):
            return
        rims, colours, _ = self._visuals = self._visuals or _make(canvas)
        for visual in (rims, colours):
            visual.visible = bool(self.lines)
        if self.lines:
            ends = np.concatenate([line.segments_yx.reshape(-1, 2) for line in self.lines])
            rgba = np.repeat(
                np.array([line.colour for line in self.lines], np.float32),
                [2 * len(line.segments_yx) for line in self.lines],
                axis=0,
            )
            places = self._in_scene(ends, canvas)
            rims.set_data(pos=places, connect="segments")
            colours.set_data(pos=places, color=rgba, connect="segments")
        if not self._is_waiting:
            self._show_names()

    def close(self) -> None:
        """Take everything out of the scene."""
        for visual in self._visuals:
            visual.parent = None
        self._visuals, self.lines, self.names = (), (), ()

    def _show_names(self) -> None:
        """Show the names once their characters are drawn, one in each turn of the event loop.

        napari draws each character of a font once, which takes it 20 ms.
        """
        self._is_waiting = False
        if not self._visuals:
            return
        canvas = self._canvas()
        needed = {*TALL, *(char for name in self.names for char in name.text)}
        missing = needed - self._characters if self.names else ()
        if missing:
            char = min(missing)
            font = canvas.font_info()
            font.font_manager.get_font(font.face, BOLD)[char]  # draws it
            self._characters.add(char)
            self._is_waiting = True
            self._later(self._show_names)
            return
        texts = self._visuals[-1]
        texts.visible = bool(self.names)
        if self.names:
            texts.text = [name.text for name in self.names]
            texts.color = np.array([name.colour for name in self.names], np.float32)
            texts.pos = self._in_scene(np.array([name.place_yx for name in self.names]), canvas)

    def _canvas(self) -> Any:
        window = getattr(self._viewer, "window", None)
        return None if window is None else window._qt_viewer.canvas

    def _in_scene(self, places_yx: NDArray[Any], canvas: Any) -> NDArray[np.float32]:
        """Transform pixels of the image, (P, 2), into the scene, (P, 2) as x and y."""
        image = self._image
        leading = np.asarray(image.world_to_data(self._viewer.dims.point))[:-2]

        def in_world(y: float, x: float) -> NDArray[Any]:
            return np.asarray(image.data_to_world((*leading, y, x))[-2:])

        origin = in_world(0, 0)
        matrix = np.stack([in_world(1, 0) - origin, in_world(0, 1) - origin])
        world = np.asarray(places_yx, float) @ matrix + origin
        # napari draws layers of several units in the smallest one
        shown = canvas.layer_to_visual.get(image)
        units = getattr(shown, "_world_to_layer_units_scale", (1.0, 1.0))[-2:]
        return np.asarray((world * units)[:, ::-1], np.float32)


def _make(canvas: Any) -> tuple[Any, ...]:
    """Make the visuals, which napari's scene draws after its layers."""
    from vispy.scene.visuals import Line as Lines
    from vispy.scene.visuals import Text

    font = canvas.font_info()
    nowhere = np.zeros((2, 2), np.float32)
    visuals = (
        Lines(nowhere, SHADE, RIM_PX, "segments", method="gl", parent=canvas.view.scene),
        Lines(nowhere, "white", LINE_PX, "segments", method="gl", parent=canvas.view.scene),
        Text(
            [""],
            pos=nowhere[:1],
            font_size=TEXT_PT,
            bold=BOLD,
            anchor_x="center",
            anchor_y="top",
            face=font.face,
            font_manager=font.font_manager,
            parent=canvas.view.scene,
        ),
    )
    visuals[-1].visible = False
    for number, visual in enumerate(visuals):
        visual.order = IN_FRONT + number
        visual.set_gl_state("translucent", depth_test=False)
    return visuals
