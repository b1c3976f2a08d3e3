"""The items of the project's labelled data, and which of them are held out from training."""

import csv
from fnmatch import fnmatch
from pathlib import Path

HELD_OUT = (
    "bbbc050_*_Emb0[39]_*,flyem_*_z210,baby_evolve_testE_*,axon_sem_Validation*,usiigaci_set[34]?,"
    "disc_img_[12]?,ovary_insitu4*,maize_1,plantseg_nuclei_*,dsb_[01]*"
)
"""Not used to train `cells_nano`: a part of each modality that has more than one item."""

REPORT_SOURCES = (
    "oist/Usiigaci",
    "axondeepseg/data-testing",
    "julianpietsch/baby",
    "NEUBIAS/training-resources",
    "joowson/SynEmbTrack",
    "kreshuklab/plant-seg",
)
"""Not used to tune and train what finds objects without prompts."""

INCOMPLETE = ("ovary_*", "bian_*")
"""Images with objects that have no label: as background they would teach the wrong thing."""

Item = dict[str, str]
"""A row of the manifest: file, kind (2d, time or z), modality, source_repo and others."""


def read_items(folder: Path, names: str = "*", kinds: tuple[str, ...] = ()) -> list[Item]:
    """Read the manifest of a folder, `manifest.csv`.

    Parameters
    ----------
    folder
        With the manifest and an `.npz` file for each item; items without one are left out.
    names
        Names of files without suffix, with * and ?, and commas between them; "held-out" for
        `HELD_OUT`.
    kinds
        Kinds of items; all if empty.
    """
    patterns = (HELD_OUT if names == "held-out" else names).split(",")
    with open(folder / "manifest.csv", newline="") as file:
        return [
            item
            for item in csv.DictReader(file)
            if (folder / item["file"]).is_file()
            and (not kinds or item["kind"] in kinds)
            and any(fnmatch(Path(item["file"]).stem, pattern) for pattern in patterns)
        ]


def taught_instances(folder: Path) -> set[str]:
    """Return the names of the items on which the instance decoder is trained."""
    return {
        Path(item["file"]).stem
        for item in read_items(folder)
        if item["source_repo"] not in REPORT_SOURCES
        and not any(fnmatch(Path(item["file"]).stem, pattern) for pattern in INCOMPLETE)
    }
