"""Read and write prompts as a table: `object,frame,kind,y,x,label,y1,x1`."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing
from napari_sam2.io.label_images import LARGEST_ID
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt

if TYPE_CHECKING:
    import pandas

HEADER = ("object", "frame", "kind", "y", "x", "label", "y1", "x1")
_ALWAYS = ("object", "frame", "kind", "y", "x")
_KINDS = {"point": 0, "box": 1}
_LABELS = {"": 1, "1": 1, "1.0": 1, "0": 0, "0.0": 0}
_ROWS = 1 << 12  # that are read at a time: a table can have millions


class _Rows:
    """Some rows of a table, by column; errors name line and column.

    Parameters
    ----------
    path
        The file.
    lines
        Line number of each row in the file.
    columns
        Cells of each column, one for each row.
    """

    def __init__(
        self, path: Path, lines: Sequence[int], columns: Mapping[str, Sequence[str]]
    ) -> None:
        self._path, self._lines, self._columns = path, lines, columns

    def __len__(self) -> int:
        return len(self._lines)

    def only(self, chosen: NDArray[np.bool_]) -> "_Rows":
        """Return the rows that a mask (N,) selects."""
        if chosen.all():
            return self
        rows = np.flatnonzero(chosen).tolist()
        columns = {name: [cells[i] for i in rows] for name, cells in self._columns.items()}
        return _Rows(self._path, [self._lines[i] for i in rows], columns)

    def check(self, valid: NDArray[np.bool_], column: str, expected: str) -> None:
        """Raise ValueError for the first row that is not valid, (N,)."""
        if valid.all():
            return
        row = int(np.argmin(valid))
        raise ValueError(
            f"{self._path.name}, line {self._lines[row]}, column {column}: "
            f"expected {expected}, found {self._cells(column)[row][:80]!r}"
        )

    def codes(self, column: str, words: Mapping[str, int], expected: str) -> NDArray[np.int64]:
        """Translate words to numbers, (N,)."""
        cells = self._cells(column)
        known = {cell: words.get(cell.strip().lower(), -1) for cell in set(cells)}
        found = np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))
        self.check(found >= 0, column, expected)
        return found

    def numbers(self, column: str, expected: str) -> NDArray[np.float64]:
        """Read finite numbers, (N,)."""
        cells = self._cells(column)
        try:
            found = np.fromiter(map(float, cells), float, len(cells))
        except ValueError:
            found = np.array([_number(cell) for cell in cells])
        self.check(np.isfinite(found), column, expected)
        return found

    def whole(self, column: str, least: int) -> NDArray[np.float64]:
        """Read whole numbers, (N,); spreadsheets write 3.0."""
        expected = f"a whole number, {least} or more"
        found = self.numbers(column, expected)
        self.check((found == np.floor(found)) & (found >= least), column, expected)
        self.check(found <= LARGEST_ID, column, f"a whole number, {least} to {LARGEST_ID}")
        return found

    def _cells(self, column: str) -> Sequence[str]:
        return self._columns.get(column) or [""] * len(self)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def read_prompts_csv(path: Path, movie: Movie | None = None) -> list[ObjectPrompts]:
    """Read prompts from a CSV file.

    Kind `point` uses y, x and label (1, the default, or 0); kind `box` uses the corners
    y, x and y1, x1. Coordinates are image pixels, objects count from 1, frames from 0.
    The rows of one object in one frame belong together, wherever they are. In a movie of
    stacks `frame` is the time point, and a column `z` the plane.

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
    return _by_object(path, [_values(rows, movie) for rows in _read_rows(path)])


def prompts_from_table(
    table: "pandas.DataFrame", movie: Movie | None = None
) -> list[ObjectPrompts]:
    """Return the prompts in a table.

    Parameters
    ----------
    table
        Columns as in a CSV file of prompts; without `kind` every row is a click, without `label`
        a positive one.
    movie
        What the prompts are for: they must lie in it.

    Returns
    -------
    list of ObjectPrompts
        As from `read_prompts_csv`.

    Raises
    ------
    ValueError
        If a column is missing or a value does not fit the movie; lines count from 0.
    """
    path = Path("table of prompts")
    cells = table.astype(object).where(table.notna(), "").astype(str)
    columns = {str(name).lower(): cells[name].tolist() for name in table}
    columns.setdefault("kind", ["point"] * len(table))
    _check_header(path, list(columns))
    rows = _Rows(path, range(len(table)), columns)
    return _by_object(path, [_values(rows, movie)] if len(table) else [])


def _by_object(path: Path, tables: Sequence[NDArray[np.float64]]) -> list[ObjectPrompts]:
    if not tables:
        raise ValueError(f"{path.name}: expected at least one prompt below the header, found none")
    values = np.concatenate(tables)
    values = values[np.lexsort((values[:, 0], values[:, 1]))]  # stable: rows stay in order
    begins = np.flatnonzero((np.diff(values[:, :2], axis=0) != 0).any(axis=1)) + 1
    return [
        ObjectPrompts(int(rows[0, 0]), int(rows[0, 1]), _prompts(rows))
        for rows in np.split(values, begins)
    ]


def _read_rows(path: Path) -> Iterator[_Rows]:
    """Read the table part by part, without empty rows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = ";" if ";" in file.readline() else ","
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            names = [name.strip().lower() for name in next(reader, [])]
            _check_header(path, names)
            first = 2  # line of the first row
            while part := list(islice(reader, _ROWS)):
                rows = [row for row in part if any(row)]
                if min(map(len, rows), default=len(names)) < len(names):
                    rows = [row + [""] * (len(names) - len(row)) for row in rows]
                lines: Sequence[int] = range(first, first + len(part))
                if len(rows) < len(part):
                    lines = [line for line, row in zip(lines, part, strict=True) if any(row)]
                if rows:
                    columns = zip(names, zip(*rows, strict=False), strict=False)
                    yield _Rows(path, lines, dict(columns))
                first += len(part)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name}: expected a CSV file in UTF-8, found something else"
        ) from error
    except csv.Error as error:
        raise ValueError(
            f"{path.name}: expected a CSV file, found a broken one ({error})"
        ) from error


def _check_header(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in _ALWAYS if name not in names]
    if missing:
        raise ValueError(
            f"{path.name}, line 1: expected the header {','.join(HEADER)}, "
            f"found {','.join(names)[:200]!r} without {', '.join(missing)}"
        )


def _values(rows: _Rows, movie: Movie | None) -> NDArray[np.float64]:
    """Check rows and turn them into numbers.

    Returns
    -------
    (N, 8): object, frame, kind, y, x, label, y1, x1; 0 where a kind has no such value.
    """
    values = np.zeros((len(rows), len(HEADER)))
    values[:, 0], values[:, 1] = rows.whole("object", 1), _frames(rows, movie)
    values[:, 2] = rows.codes("kind", _KINDS, "point or box")
    is_box = values[:, 2] == _KINDS["box"]
    points, boxes = rows.only(~is_box), rows.only(is_box)
    values[~is_box, 3:6] = _points(points, movie)
    corners = [boxes.numbers(name, "a number of pixels") for name in ("y", "x", "y1", "x1")]
    first, last = np.stack(corners[:2], 1), np.stack(corners[2:], 1)
    boxes.check((first != last).any(axis=1), "y1", "a corner other than y, x")
    values[is_box, 3:5], values[is_box, 6:8] = first, last
    return values


def _frames(rows: _Rows, movie: Movie | None) -> NDArray[np.float64]:
    """Read frames, counted through all planes, (N,)."""
    frames = rows.whole("frame", 0)
    if movie is None:
        return frames
    n_planes = movie.layout.n_planes
    n_times = movie.n_frames // n_planes
    rows.check(frames < n_times, "frame", f"a frame of the movie (0..{n_times - 1})")
    if n_planes == 1:
        return frames
    planes = rows.whole("z", 0)
    rows.check(planes < n_planes, "z", f"a plane of the stack (0..{n_planes - 1})")
    return frames * n_planes + planes


def _points(rows: _Rows, movie: Movie | None) -> NDArray[np.float64]:
    """Read y, x and label, (N, 3)."""
    places = [rows.numbers(name, "a number of pixels") for name in "yx"]
    if movie is not None:
        for name, place, n in zip("yx", places, movie.frame_shape, strict=True):
            inside = (place >= -0.5) & (place <= n - 0.5)
            rows.check(inside, name, f"a pixel of the image (0..{n - 1})")
    labels = rows.codes("label", _LABELS, "1 (inside) or 0 (outside)")
    return np.stack([*places, labels.astype(float)], axis=1)


def _prompts(values: NDArray[np.float64]) -> tuple[Prompt, ...]:
    """Make the prompts of one object in one frame: boxes, then all points as one prompt."""
    is_box = values[:, 2] == _KINDS["box"]
    if not is_box.any():
        return (PointPrompt(values[:, 3:5], values[:, 5]),)
    boxes = tuple(BoxPrompt(y, x, y1, x1) for y, x, _, y1, x1 in values[is_box, 3:].tolist())
    points = values[~is_box]
    return (*boxes, *_prompts(points)) if len(points) else boxes


def write_prompts_csv(path: Path, prompts: Iterable[ObjectPrompts]) -> None:
    """Write points and boxes as a table that `read_prompts_csv` reads.

    Parameters
    ----------
    path
        The file.
    prompts
        Points and boxes, in pixels.

    Raises
    ------
    ValueError
        If a prompt is a mask, which has no row.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for each in prompts:
            for prompt in each.prompts:
                table.writerows((each.object_id, each.frame, *cells) for cells in _cells(prompt))


def _cells(prompt: Prompt) -> list[tuple[str | float, ...]]:
    if isinstance(prompt, MaskPrompt):
        raise ValueError("a mask has no row in a CSV file; write a label image instead")
    if isinstance(prompt, BoxPrompt):
        return [("box", prompt.y0, prompt.x0, "", prompt.y1, prompt.x1)]
    points = zip(prompt.points_yx.tolist(), prompt.labels.tolist(), strict=True)
    return [("point", y, x, label, "", "") for (y, x), label in points]
