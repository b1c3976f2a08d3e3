"""What a run writes down: a table, and for those who have it TensorBoard."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOG_FILE = "log.csv"
COLUMNS = (
    "step",
    "seconds",
    "learning_rate",
    "loss",
    "focal",
    "dice",
    "iou",
    "score",
    "gradient_norm",
    "clips_per_s",
)


class RunLog:
    """Appends rows to `log.csv`; a run that goes on from a step drops later rows first.

    Parameters
    ----------
    folder
        Of the run.
    step
        At which it goes on.
    tensorboard
        Whether to write the same to TensorBoard, too, in the same folder.

    Raises
    ------
    ImportError
        If TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False) -> None:
        self._path = folder / LOG_FILE
        kept = [row for row in read_log(folder) if int(row[0]) <= step]
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *kept])
        self._board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder))

    def write(self, row: Sequence[float]) -> None:
        """Append a row, in the order of `COLUMNS`."""
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([_short(value) for value in row])
        if self._board is not None:
            for name, value in zip(COLUMNS[2:], row[2:], strict=True):
                self._board.add_scalar(name, value, int(row[0]))

    def close(self) -> None:
        """Let go of TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def read_log(folder: Path) -> list[list[str]]:
    """Read the rows of a run's log, as text; none if there is no log yet."""
    path = folder / LOG_FILE
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)]
    return rows[1:]  # a row that was cut off by a crash is left out above


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
