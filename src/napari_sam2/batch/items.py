"""Inputs of a command: files, patterns, plates, multi-position stores and job tables."""

import csv
import glob
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_sam2.io.files import natural_key, stem, suffix
from napari_sam2.io.images.zarr_store import positions
from napari_sam2.movies.axes import Channel

TABLE_COLUMNS = ("input", "prompts", "channel", "model", "outputs")
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Item:
    """One image, movie or stack of a batch.

    Parameters
    ----------
    source
        Its file or folder.
    name
        What its outputs are called.
    prompts, outputs
        Of a job table, where it has them.
    options
        Options of the command that a job table gives for this item, by name.
    """

    source: Path
    name: str
    prompts: Path | None = None
    outputs: tuple[Path, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def find_items(text: str, every_position: bool = True) -> list[Item]:
    """Return the items that a path or a pattern stands for, in natural order.

    Parameters
    ----------
    text
        A file, a folder of images, a pattern such as data/*.tif, a plate (an item for each
        field), an OME-Zarr store with several images, or a job table (.csv, .tsv).
    every_position
        Whether each image of a store is an item, or its first one alone. Of plates, and in job
        tables, each is.

    Raises
    ------
    FileNotFoundError
        If there are none.
    ValueError
        If a job table cannot be read.
    """
    if Path(text).exists():
        return _items_of(Path(text), every_position)
    found = sorted(map(Path, glob.glob(text, recursive=True)), key=natural_key)
    if not found:
        kind = "a pattern of files" if glob.has_magic(text) else "a file or a folder of images"
        raise FileNotFoundError(f"{text}: expected {kind}, found nothing")
    return [item for path in found for item in _items_of(path, every_position)]


def _items_of(path: Path, every_position: bool = True) -> list[Item]:
    if suffix(path) in _TABLES:
        return read_job_table(path)
    inside = positions(path, every_position)
    if not inside:
        return [Item(path, stem(path))]
    return [Item(path / name, f"{stem(path)}_{name.replace('/', '_')}") for name in inside]


def read_job_table(path: Path) -> list[Item]:
    """Read a job table, a CSV file with a row for each item.

    Its columns are those of `TABLE_COLUMNS`; all but `input` may be left out or empty. Paths are
    relative to the table. Several outputs of an item have semicolons between them.

    Parameters
    ----------
    path
        The table; `.tsv` has tabs in place of commas.

    Raises
    ------
    ValueError
        If a column is unknown, `input` is missing, or a row is empty.
    FileNotFoundError
        If an input of it does not exist.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter="\t" if suffix(path) == ".tsv" else ",")
        columns = tuple(rows.fieldnames or ())
        unknown = [column for column in columns if column not in TABLE_COLUMNS]
        if unknown or "input" not in columns:
            raise ValueError(
                f"{path.name}: expected a job table with the columns {', '.join(TABLE_COLUMNS)} "
                f"(input at least), found {', '.join(columns) or 'nothing'}"
            )
        items = [
            item
            for number, row in enumerate(rows, start=2)
            for item in _items_of_row(path, number, row)
        ]
    if not items:
        raise ValueError(f"{path.name}: expected a job table with a row for each item, found none")
    return items


def parse_channel(text: str) -> Channel:
    """Read one channel, or several with commas between them.

    Parameters
    ----------
    text
        For example 1, or 2,0,1.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"expected a channel, or two or three with commas, for example 2,0,1; found {text!r}"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def _items_of_row(table: Path, line: int, row: dict[str, Any]) -> list[Item]:
    given = {name: (row.get(name) or "").strip() for name in TABLE_COLUMNS}
    source = table.parent / given["input"]
    if not given["input"] or not source.exists():
        raise FileNotFoundError(
            f"{table.name}, line {line}: expected an input that exists, "
            f"found {given['input'] or 'nothing'}"
        )
    prompts = table.parent / given["prompts"] if given["prompts"] else None
    outputs = [one.strip() for one in given["outputs"].split(";") if one.strip()]
    options: dict[str, Any] = {"model": given["model"]} if given["model"] else {}
    if given["channel"]:
        options["channel"] = parse_channel(given["channel"])
    return [
        Item(
            item.source,
            item.name,
            prompts,
            tuple(table.parent / one.replace("{name}", item.name) for one in outputs),
            options,
        )
        for item in _items_of(source)
    ]
