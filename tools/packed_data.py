"""Pack labelled data tightly for a machine that takes only small uploads, and unpack them there.

    python tools/packed_data.py pack FOLDER DATA.tar
    python tools/packed_data.py unpack DATA.tar FOLDER

Items that are held out from training are left out. The archive holds one `.npy.xz` for each
array, with a byte-wise difference along the rows where that is smaller. `unpack` writes the
`.npz` files and the manifest that training reads.
"""

import argparse
import csv
import io
import lzma
import tarfile
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from data_items import HELD_OUT, read_items

MANIFEST = "manifest.csv"
# literal bytes do not depend on their neighbours in an image: no context bits
LZMA = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}


def pack(folder: Path, archive: Path) -> None:
    """Write the items of a data set that are trained on to one archive."""
    held_out = {item["file"] for item in read_items(folder, HELD_OUT)}
    rows = [item for item in read_items(folder) if item["file"] not in held_out]
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor() as pool:
        items = [folder / row["file"] for row in rows]
        list(pool.map(_pack_item, items, [Path(scratch)] * len(items)))
        with open(Path(scratch, MANIFEST), "w", newline="") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(rows)
        with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(Path(scratch).iterdir()):
                tar.add(path, path.name)


def unpack(archive: Path, folder: Path) -> None:
    """Write the data set of an archive to a folder, its arrays uncompressed."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    items = {path.name.split(".")[0] for path in folder.glob("*.npy.xz")}
    with ProcessPoolExecutor() as pool:
        list(pool.map(_unpack_item, [folder] * len(items), sorted(items)))


def _pack_item(item: Path, folder: Path) -> None:
    with np.load(item) as arrays:
        for name in arrays.files:
            content = io.BytesIO()
            np.save(content, arrays[name])
            step = arrays[name].dtype.itemsize * (3 if arrays[name].shape[-1] == 3 else 1)
            chains = [[LZMA], [{"id": lzma.FILTER_DELTA, "dist": step}, LZMA]]
            packed = [lzma.compress(content.getvalue(), filters=chain) for chain in chains]
            (folder / f"{item.stem}.{name}.npy.xz").write_bytes(min(packed, key=len))


def _unpack_item(folder: Path, item: str) -> None:
    files = sorted(folder.glob(f"{item}.*.npy.xz"))
    arrays = {}
    for file in files:
        with lzma.open(file) as content:
            arrays[file.name.split(".")[1]] = np.load(io.BytesIO(content.read()))
        file.unlink()
    np.savez(folder / f"{item}.npz", **arrays)


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    {"pack": pack, "unpack": unpack}[arguments.command](arguments.source, arguments.target)


if __name__ == "__main__":
    main()
