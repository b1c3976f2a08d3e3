"""Apply layers to large maps band by band on a CPU, so that intermediates stay in its cache.

Tensors of tens of megabytes are also returned to the system and allocated again on each call,
which costs as much as the arithmetic of the narrow stages.
"""

from collections.abc import Callable

import torch
from torch import Tensor

BAND_BYTES = 4 << 20  # of the widest tensor that a band makes: it stays in a core's cache


def in_bands(
    function: Callable[[Tensor], Tensor], x: Tensor, dim: int, row_bytes: int, step: int = 1
) -> Tensor:
    """Apply a function that mixes no bands, band by band on a CPU without gradients, else at once.

    Parameters
    ----------
    function
        Maps bands of `x` to bands of the result.
    x
        The map.
    dim
        Dimension along which the map is cut.
    row_bytes
        Bytes that one row of the dimension needs where the function is widest.
    step
        The number of rows in a band is a multiple of this.
    """
    rows = max(BAND_BYTES // row_bytes // step, 1) * step
    if x.device.type != "cpu" or torch.is_grad_enabled() or rows >= x.shape[dim]:
        return function(x)
    return torch.cat([function(band) for band in x.split(rows, dim)], dim)
