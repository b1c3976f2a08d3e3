"""Figures by what they tell and of whom, as a table and as flat JSON."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

OURS = "ours"
MISSING = "-"


class Figures:
    """Numbers of all sides. A figure that could not be measured is None and has a reason.

    Given a file, they can be saved to it whenever some of them are there.

    The key of a figure is `scope.figure` if it is ours and `scope.side_figure` if it is
    another's: `tiny.n4.object_fps`, `tiny.n4.sam2_object_fps`.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.facts: dict[str, str | float] = {}
        self.reasons: dict[str, str] = {}
        self._rows: dict[tuple[str, str], dict[str, float | None]] = {}

    def save(self) -> None:
        """Write what is there so far to the file, if there is one."""
        if self._file is not None:
            self.write(self._file)

    def put(self, scope: str, side: str, figure: str, value: float | None) -> None:
        """Note a figure of a side."""
        self._rows.setdefault((scope, figure), {})[side] = value

    def get(self, scope: str, side: str, figure: str) -> float | None:
        """Look a figure up; None if it was not measured."""
        return self._rows.get((scope, figure), {}).get(side)

    def miss(self, scope: str, side: str, figures: Iterable[str], reason: str) -> None:
        """Note why figures of a side are not there."""
        for figure in figures:
            self.put(scope, side, figure, None)
            self.reasons[key_of(scope, side, figure)] = reason

    def absent(self, scope: str, side: str, reason: str) -> None:
        """Note why there is no figure at all of a side."""
        self.reasons[f"{scope}: all of {side}"] = reason

    def compare(self, scope: str, figure: str, name: str, higher_is_better: bool) -> None:
        """Note how many times better ours are than the best of the references."""
        row = self._rows.get((scope, figure), {})
        others = [value for side, value in row.items() if side != OURS and value]
        value = row.get(OURS)
        if value and others:
            ratio = value / max(others) if higher_is_better else min(others) / value
            self.put(scope, OURS, name, ratio)

    def flat(self) -> dict[str, str | float | None]:
        """List everything by its key."""
        return {
            **self.facts,
            **{
                key_of(scope, side, figure): None if value is None else float(f"{value:.5g}")
                for (scope, figure), row in self._rows.items()
                for side, value in row.items()
            },
        }

    def read(self, values: Mapping[str, float | None], scope: str, side: str) -> None:
        """Take a side's figures of a scope over from another run's flat figures."""
        prefix = f"{scope}.{side}_"
        for key, value in values.items():
            if key.startswith(prefix):
                self.put(scope, side, key.removeprefix(prefix), value)

    def write(self, path: Path) -> None:
        """Write the flat figures as JSON."""
        path.write_text(json.dumps(self.flat(), indent=1) + "\n")

    def table(self, sides: Iterable[str]) -> str:
        """Lay the figures out in Markdown, one row for each; then what is missing and why."""
        sides = list(sides)
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        header = ["figure", *sides]
        lines += ["", _row(header), _row(["---"] + ["---:"] * len(sides))]
        for (scope, figure), row in self._rows.items():
            cells = [_number(row.get(side)) for side in sides]
            lines.append(_row([f"{scope} {figure}", *cells]))
        if self.reasons:
            lines += ["", "Not measured:", *self._not_measured()]
        return "\n".join(lines)

    def _not_measured(self) -> list[str]:
        keys: dict[str, list[str]] = {}
        for key, reason in self.reasons.items():
            keys.setdefault(reason, []).append(key)
        return [
            f"- {found[0]}{f' and {len(found) - 1} more' if found[1:] else ''}: {reason}"
            for reason, found in keys.items()
        ]


def key_of(scope: str, side: str, figure: str) -> str:
    """Name a figure as in the JSON."""
    return f"{scope}.{figure}" if side == OURS else f"{scope}.{side}_{figure}"


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def print_report(means: Mapping[str, float], left: int, n_jobs: int) -> None:
    """Print figures by name, and how many jobs were not done."""
    for key, value in means.items():
        print(f"{key:80} {value:.4f}")
    if left:
        print(f"{left} of {n_jobs} jobs are left: run it again with --resume", file=sys.stderr)
