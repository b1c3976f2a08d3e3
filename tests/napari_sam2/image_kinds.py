"""Shapes, types and axis orders that people have: each goes through API, shell and widget."""

from dataclasses import dataclass

import numpy as np

LENGTHS = {"T": 3, "Z": 4, "C": 2, "Y": 40, "X": 60, "S": 3}
CELL_YX = (14, 41)  # not on the diagonal: a flipped axis would show


@dataclass(frozen=True)
class Kind:
    """An array with its axes; `labels` are those of the label movie that comes out."""

    axes: str
    dtype: str
    labels: str
    low: float = 0.0
    high: float = 200.0

    def __str__(self) -> str:
        return f"{self.axes}-{self.dtype}"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(LENGTHS[letter] for letter in self.axes)

    def array(self) -> np.ndarray:
        """A bright cell on a ramp, in all frames."""
        grids = dict(zip(self.axes, np.indices(self.shape), strict=True))
        cell = (grids["Y"] - CELL_YX[0]) ** 2 + (grids["X"] - CELL_YX[1]) ** 2 < 5**2
        ramp = grids["X"] / LENGTHS["X"] * 0.2 * (self.dtype != "bool")
        pixels = self.low + (self.high - self.low) * np.where(cell, 1.0, ramp)
        return pixels.astype(self.dtype)


KINDS = [
    Kind("YX", "uint8", "YX"),
    Kind("YX", "uint16", "YX", 100, 4095),  # 12 bits in 16
    Kind("YX", "float32", "YX", -0.5, 0.5),
    Kind("YX", "float64", "YX", 1e5, 1.1e5),
    Kind("XY", "uint8", "YX"),
    Kind("YXS", "uint8", "YX"),
    Kind("SYX", "uint8", "YX"),
    Kind("CYX", "uint16", "YX"),
    Kind("YXC", "int16", "YX", -2000, 2000),
    Kind("TYX", "uint8", "TYX"),
    Kind("TYX", "int8", "TYX", -100, 100),
    Kind("TYX", "uint16", "TYX", 0, 65535),
    Kind("TYX", "int32", "TYX", -(10**6), 10**6),
    Kind("TYX", "float16", "TYX", 0, 1),
    Kind("TYX", "bool", "TYX", 0, 1),
    Kind("TXY", "uint16", "TYX"),
    Kind("YXT", "uint8", "TYX"),
    Kind("TYXS", "uint8", "TYX"),
    Kind("TCYX", "uint16", "TYX"),
    Kind("CTYX", "float32", "TYX"),
    Kind("ZYX", "uint16", "ZYX"),
    Kind("ZYX", "float32", "ZYX", -1, 1),
    Kind("ZCYX", "uint8", "ZYX"),
    Kind("ZYXS", "uint8", "ZYX"),
    Kind("TZYX", "uint8", "TZYX"),
    Kind("TZYX", "int16", "TZYX", -500, 500),
    Kind("ZTYX", "uint16", "TZYX"),
    Kind("TZCYX", "uint16", "TZYX"),
    Kind("TCZYX", "float32", "TZYX"),
    Kind("TZYXS", "uint8", "TZYX"),
]
