"""Prompts as a table: `object,frame,kind,y,x,label,y1,x1`."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from napari_sam2.io.files import replacing
from napari_sam2.io.label_images import LARGEST_ID
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

HEADER = ("object", "frame", "kind", "y", "x", "label", "y1", "x1")
_ALWAYS = ("object", "frame", "kind", "y", "x")


class _Row:
    """One line of the table; its errors say where they are."""

    def __init__(self, path: Path, line: int, cells: dict[str, str], movie: Movie | None) -> None:
        self._path, self._line, self._cells, self._movie = path, line, cells, movie

    def wrong(self, column: str, expected: str) -> ValueError:
        found = repr(self._cells.get(column) or "")
        return ValueError(
            f"{self._path.name}, line {self._line}, column {column}: "
            f"expected {expected}, found {found}"
        )

    def text(self, column: str) -> str:
        return (self._cells.get(column) or "").strip().lower()

    def number(self, column: str, expected: str) -> float:
        try:
            number = float(self.text(column))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(column, expected)
        return number

    def whole(self, column: str, least: int, most: float = math.inf) -> int:
        expected = f"a whole number, {least} or more"
        number = self.number(column, expected)
        if number > most:
            raise self.wrong(column, f"a whole number, {least} to {most}")
        if not (number.is_integer() and number >= least):  # spreadsheets like to write 3.0
            raise self.wrong(column, expected)
        return int(number)

    def place(self) -> tuple[int, int]:
        object_id, frame = self.whole("object", 1, LARGEST_ID), self.whole("frame", 0)
        n_planes = 1 if self._movie is None else self._movie.layout.n_planes
        plane = self.whole("z", 0) if n_planes > 1 else 0
        if plane >= n_planes:
            raise self.wrong("z", f"a plane of the stack (0..{n_planes - 1})")
        if self._movie is not None and frame >= self._movie.n_frames // n_planes:
            last = self._movie.n_frames // n_planes - 1
            raise self.wrong("frame", f"a frame of the movie (0..{last})")
        return object_id, frame * n_planes + plane

    def pixel(self, column: str) -> float:
        return self.number(column, "a number of pixels")

    def point(self) -> tuple[float, float]:
        y, x = self.pixel("y"), self.pixel("x")
        if self._movie is not None:
            for column, value, n in zip("yx", (y, x), self._movie.frame_shape, strict=True):
                if not -0.5 <= value <= n - 0.5:
                    raise self.wrong(column, f"a pixel of the image (0..{n - 1})")
        return y, x

    def prompt(self) -> Prompt:
        if self.text("kind") == "point":
            label = self.text("label") or "1"
            if label not in ("0", "1", "0.0", "1.0"):
                raise self.wrong("label", "1 (inside) or 0 (outside)")
            return PointPrompt([self.point()], [int(float(label))])
        if self.text("kind") == "box":
            corners = [self.pixel(column) for column in ("y", "x", "y1", "x1")]
            if corners[:2] == corners[2:]:
                raise self.wrong("y1", "a corner other than y, x")
            return BoxPrompt(*corners)
        raise self.wrong("kind", "point or box")


def read_prompts_csv(path: Path, movie: Movie | None = None) -> list[ObjectPrompts]:
    """Read prompts from a CSV file.

    Kind `point` uses y, x and label (1, the default, or 0); kind `box` uses the corners
    y, x and y1, x1. Coordinates are image pixels, objects count from 1, frames from 0.
    The rows of one object in one frame belong together, wherever they are. In a movie of
    stacks `frame` is the time point, and a column `z` says the plane.

    Parameters
    ----------
    path
        The file; commas or semicolons between the columns.
    movie
        What the prompts are for: they must lie in it.

    Returns
    -------
    list of ObjectPrompts
        By frame, then by object; a box comes before the points.

    Raises
    ------
    ValueError
        If it is no such table or does not fit the movie; the message names line and column.
    """
    said: dict[tuple[int, int], list[Prompt]] = {}
    for row in _rows(path, movie):
        said.setdefault(row.place(), []).append(row.prompt())
    if not said:
        raise ValueError(f"{path.name}: expected at least one prompt below the header, found none")
    return [
        ObjectPrompts(object_id, frame, _together(prompts))
        for (object_id, frame), prompts in sorted(said.items(), key=lambda item: item[0][::-1])
    ]


def _rows(path: Path, movie: Movie | None) -> list[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name}: expected a CSV file in UTF-8, found something else"
        ) from error
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    table = csv.DictReader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
    missing = [name for name in _ALWAYS if name not in table.fieldnames]
    if missing:
        raise ValueError(
            f"{path.name}, line 1: expected the header {','.join(HEADER)}, "
            f"found {','.join(table.fieldnames)!r} without {', '.join(missing)}"
        )
    return [
        _Row(path, table.line_num, cells, movie)
        for cells in table
        if any(cell and str(cell).strip() for cell in cells.values())
    ]


def _together(prompts: list[Prompt]) -> tuple[Prompt, ...]:
    """Make all points one prompt, behind the boxes."""
    points = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
    others = [prompt for prompt in prompts if not isinstance(prompt, PointPrompt)]
    if not points:
        return tuple(others)
    places = [place for prompt in points for place in prompt.points_yx]
    labels = [label for prompt in points for label in prompt.labels]
    return (*others, PointPrompt(places, labels))


def write_prompts_csv(path: Path, prompts: Iterable[ObjectPrompts]) -> None:
    """Write points and boxes as a table that `read_prompts_csv` reads.

    Raises
    ------
    ValueError
        If a prompt is a mask, which has no row.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for said in prompts:
            for prompt in said.prompts:
                table.writerows((said.object_id, said.frame, *cells) for cells in _cells(prompt))


def _cells(prompt: Prompt) -> list[tuple[str | float, ...]]:
    if isinstance(prompt, MaskPrompt):
        raise ValueError("a mask has no row in a CSV file; write a label image instead")
    if isinstance(prompt, BoxPrompt):
        return [("box", prompt.y0, prompt.x0, "", prompt.y1, prompt.x1)]
    points = zip(prompt.points_yx.tolist(), prompt.labels.tolist(), strict=True)
    return [("point", y, x, label, "", "") for (y, x), label in points]
