"""A smaller copy of a data set, for a machine that takes only so much."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np

from sam2_torch.training.data.labelled_movies import MANIFEST


def repack(folder: Path, copy: Path) -> tuple[int, int]:
    """Copy a data set, its arrays packed by LZMA, which `numpy.load` reads as well.

    Returns
    -------
    Bytes before and after.
    """
    copy.mkdir(parents=True, exist_ok=True)
    before = after = 0
    for path in sorted(folder.glob("*.npz")):
        with (
            np.load(path) as arrays,
            zipfile.ZipFile(copy / path.name, "w", zipfile.ZIP_LZMA) as packed,
        ):
            for name in arrays.files:
                content = io.BytesIO()
                np.save(content, arrays[name])
                packed.writestr(f"{name}.npy", content.getvalue())
        before += path.stat().st_size
        after += (copy / path.name).stat().st_size
    shutil.copyfile(folder / MANIFEST, copy / MANIFEST)
    return before, after
