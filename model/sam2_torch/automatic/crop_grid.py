"""The parts of an image that go through the network on their own."""

import math
from itertools import product
from typing import NamedTuple


class Crop(NamedTuple):
    """Rows and columns of an image, half open."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the crop lies, as an index."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


def crops_of(shape: tuple[int, int], layers: int, overlap: float) -> list[Crop]:
    """Cut an image of (H, W): the whole first, then 2**i x 2**i crops for layer i.

    Parameters
    ----------
    layers
        How many layers beside the whole.
    overlap
        Of the first layer's crops, as a share of the shorter side; half as much for each
        further layer.

    Notes
    -----
    Reference: `generate_crop_boxes`.
    """
    crops = [Crop(0, 0, *shape)]
    for layer in range(layers):
        n = 2 ** (layer + 1)
        shared = int(overlap * min(shape) * (2 / n))
        sides = [math.ceil((shared * (n - 1) + side) / n) for side in shape]
        starts = [[(side - shared) * i for i in range(n)] for side in sides]
        crops += [
            Crop(y, x, min(y + sides[0], shape[0]), min(x + sides[1], shape[1]))
            for x, y in product(starts[1], starts[0])
        ]
    return crops


def layers_for(shape: tuple[int, int], input_size: int) -> int:
    """Choose how many layers an image needs so that its crops are not shrunk much."""
    return max(0, math.ceil(math.log2(max(shape) / input_size) - 0.5))
