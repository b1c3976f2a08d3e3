"""Training in a process of its own: the window stays free, and it can be stopped cleanly."""

import json
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QProcess, Signal

STOP_FILE = "stop"  # as in sam2_torch.training.loop, which imports torch
KEPT_LINES = 30
LAST_WAIT_MS = 3000


@dataclass(frozen=True)
class TuningRequest:
    """What to train.

    Parameters
    ----------
    data
        Folder with labelled data.
    model, device
        What to begin with, and where it runs.
    name
        Of the new model.
    trained
        "decoder", "everything" or "adapters".
    minutes
        Length of the training.
    folder
        Of the run: log, pictures, checkpoints.
    """

    data: Path
    model: str
    device: str
    name: str
    trained: str
    minutes: float
    folder: Path

    def arguments(self) -> list[str]:
        """Give the command line, without the program."""
        return [
            *("-m", "napari_sam2.cli", "train", str(self.data), "--json", "--nice"),
            *("--name", self.name, "--model", self.model, "--device", self.device),
            *("--train", self.trained, "--minutes", f"{self.minutes:g}"),
            *("--run-folder", str(self.folder)),
        ]


class TuningProcess(QObject):
    """Runs `napari-sam2 train` and tells what it says.

    Signals
    -------
    staged
        Name of the stage, how much of it is done, and of how much.
    stepped
        Number of the step, share of the run (0 to 1), seconds so far, loss.
    finished
        A dictionary: `ending`, `steps`, `before`, `after`, `checkpoint`, `folder`.
    failed
        A sentence.
    """

    staged = Signal(str, int, int)
    stepped = Signal(int, float, float, float)
    finished = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._result: dict[str, Any] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._is_given_up = False
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.errorOccurred.connect(self._not_started)
        self._process.finished.connect(self._ended)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return bool(self._process.state() != QProcess.ProcessState.NotRunning)

    def start(self, request: TuningRequest) -> None:
        """Start the training; one at a time."""
        assert not self.is_running
        self._folder, self._result, self._is_given_up = request.folder, None, False
        self._lines.clear()
        request.folder.mkdir(parents=True, exist_ok=True)
        self._process.start(sys.executable, request.arguments())

    def stop(self) -> None:
        """Let it end after the step that it is at, measure, and save the model as it is."""
        if self.is_running and self._folder is not None:
            (self._folder / STOP_FILE).touch()

    def give_up(self) -> None:
        """End it at once, without a result; its last checkpoint stays in the run's folder."""
        self._is_given_up = True
        if self.is_running:
            self._process.kill()
            self._process.waitForFinished(LAST_WAIT_MS)

    def _read_events(self) -> None:
        while self._process.canReadLine():
            line = bytes(self._process.readLine().data()).decode("utf-8", "replace")
            try:
                event = json.loads(line)
            except ValueError:
                continue  # something else that a library printed
            if isinstance(event, dict):
                self._report(event)

    def _report(self, event: dict[str, Any]) -> None:
        kind = event.pop("event", None)
        if kind == "stage":
            self.staged.emit(event["name"], event["done"], event["total"])
        elif kind == "step":
            self.stepped.emit(event["step"], event["progress"], event["seconds"], event["loss"])
        elif kind == "result":
            self._result = event

    def _read_errors(self) -> None:
        text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
        self._lines.extend(line for line in text.splitlines() if line.strip())

    def _not_started(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.failed.emit(f"Training could not be started: {self._process.errorString()}")

    def _ended(self, code: int, _: Any = None) -> None:
        self._read_events()
        self._read_errors()
        if self._is_given_up:
            return
        if code == 0 and self._result is not None:
            self.finished.emit(self._result)
        else:
            self.failed.emit(self._why(code))

    def _why(self, code: int) -> str:
        errors = [line for line in self._lines if line.startswith("napari-sam2: ")]
        if errors:
            return errors[-1].removeprefix("napari-sam2: ")
        last = self._lines[-1] if self._lines else "it printed nothing"
        return f"Training ended with code {code}: {last}"
