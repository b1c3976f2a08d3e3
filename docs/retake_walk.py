"""Walk through three data sets with a real mouse, and take the pictures of the tutorials.

    python docs/retake_walk.py DATA [FOLDER [NAME]]

DATA is a folder of `.npz` files with the arrays `image` and `labels` (frames, rows, columns);
their names are below; docs/time-lapse.md and docs/z-stacks.md say where the images come from. What
was segmented is compared with the labels in the end. Needs what `retake_screenshots.py` needs.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from retake_screenshots import Person, person_at, run

from napari_sam2.annotation.history import StoredMask
from napari_sam2.io.sessions.session_files import read_session
from napari_sam2.masks.masklets import unpack

SAVED_AFTER_S = 6

Place = tuple[float, float]


def walk_nuclei(person: Person) -> None:
    """Dividing HeLa nuclei: follow three, of which one divides."""
    begin(person)
    person.click_cells([(100, 89), (75, 80), (97, 122)])
    person.shoot("walk_nuclei_clicks")
    person.propagate()
    person.go_to(20)
    person.shoot("walk_nuclei_first_run")


def correct_nuclei(person: Person) -> None:
    """Give the upper daughter an object of her own, from the first frames of the division on."""
    person.new_object()
    person.draw("points")
    person.go_to(9)
    person.click(person.pixel(95, 118))
    person.wait_for_masks()
    carry_on(person, "from_here")
    person.go_to(20)
    person.shoot("walk_nuclei_corrected")


def walk_embryo(person: Person) -> None:
    """Nuclei of an embryo in a z-stack: one click in the middle of each."""
    begin(person)
    person.go_to(18)
    person.click_cells([(82, 93), (64, 93), (20, 53), (83, 24)])
    person.shoot("walk_embryo_clicks")
    person.propagate()
    person.go_to(21)
    person.shoot("walk_embryo")


def correct_embryo(person: Person) -> None:
    """Say where the first nucleus has ended: a negative click on what is drawn there."""
    person.press("object 1")
    person.draw("points")
    for plane in (27, 3):
        person.go_to(plane)
        click_beside(person, (82, 91))
    carry_on(person, "everywhere")
    person.go_to(26)
    person.shoot("walk_embryo_corrected")


def walk_bacteria(person: Person) -> None:
    """Swimming bacteria in bright field: small, quick, with halos."""
    begin(person)
    person.click_cells([(62, 231), (172, 128), (161, 184), (200, 224)])
    person.shoot("walk_bacteria_clicks")
    person.propagate()
    person.go_to(20)
    person.shoot("walk_bacteria")


def correct_bacteria(person: Person) -> None:
    """Click the two that swim fast again, where they are after they were lost."""
    for row, frame, place in (("object 3", 15, (136, 213)), ("object 4", 21, (181, 202))):
        person.press(row)
        person.draw("points")
        person.go_to(frame)
        person.click(person.pixel(*place))
        person.wait_for_masks()
        carry_on(person, "from_here")
    person.go_to(20)
    person.shoot("walk_bacteria_corrected")


@dataclass(frozen=True)
class Walk:
    """One data set and the way through it.

    Parameters
    ----------
    name
        Of the file in DATA, without its ending.
    scale
        Size of its steps along frames, rows and columns.
    go, correct
        Drive the mouse: the prompts and a first run, and what is corrected then.
    """

    name: str
    scale: tuple[float, float, float]
    go: Callable[[Person], None]
    correct: Callable[[Person], None]


WALKS = {
    "nuclei": Walk("embl_mitocheck_h2b", (1, 1, 1), walk_nuclei, correct_nuclei),
    "embryo": Walk("bbbc050_train_Emb05_t451", (1.75, 0.8, 0.8), walk_embryo, correct_embryo),
    "bacteria": Walk("synembtrack_bacteria", (1, 1, 1), walk_bacteria, correct_bacteria),
}


def begin(person: Person) -> None:
    """Open the dock, show the whole image, and go to its first frame."""
    person.wait(lambda state: bool(state["layers"]))
    person.menu("Plugins", "Segment and track (SAM 2)")
    person.wait(lambda state: "buttons" in state)
    left, top, *_ = person.sees["canvas"]
    person.click((left + 20, top + 20))  # the keyboard to the canvas
    person.key("ctrl+r")
    person.go_to(0)
    person.draw("points")


def click_beside(person: Person, place: Place) -> None:
    """Click to say that this is not the object."""
    person.key("t")
    person.click(person.pixel(*place))
    person.wait_for_masks()
    person.key("t")


def carry_on(person: Person, button: str) -> None:
    """Carry a correction on."""
    time.sleep(1)
    person.wait_for_masks()
    person.propagate(button)


def compare(session: Path, labels: np.ndarray) -> None:
    """Print how well each object agrees with the label on which it lies most."""
    _, history = read_session(session)
    masks = {k: v.packed for k, v in history.values.items() if isinstance(v, StoredMask)}
    for object_id in sorted({key.object_id for key in masks}):
        drawn = np.zeros(labels.shape, bool)
        for key, packed in masks.items():
            if key.object_id == object_id:
                drawn[key.frame] = unpack(packed, labels.shape[1:]).to_dense()
        found, counts = np.unique(labels[drawn], return_counts=True)
        cells = counts * (found > 0)
        label = found[cells.argmax()]
        truth = labels == label
        frames = np.flatnonzero((truth | drawn).any((1, 2)))
        ious = [(truth[f] & drawn[f]).sum() / (truth[f] | drawn[f]).sum() for f in frames]
        print(
            f"object {object_id}: label {label}, drawn in {drawn.any((1, 2)).sum()} frames, "
            f"labelled in {truth.any((1, 2)).sum()}; IoU {np.mean(ious):.2f} over both, "
            f"above 0.5 in {np.sum(np.array(ious) > 0.5)} of {len(frames)}"
        )


def main(data: Path, folder: Path, names: Iterable[str]) -> None:
    """Take the walks, one after the other."""
    for name in names:
        walk = WALKS[name]
        with np.load(data / f"{walk.name}.npz") as arrays, tempfile.TemporaryDirectory() as scratch:
            movie = Path(scratch) / f"{name}.tif"
            tifffile.imwrite(movie, arrays["image"], photometric="minisblack")
            with person_at(folder, str(movie), *map(str, walk.scale)) as (person, sessions):
                for do in (walk.go, walk.correct):
                    do(person)
                    time.sleep(SAVED_AFTER_S)
                    print(name, do.__name__, "|", person.sees["status"])
                    (session,) = (path for path in sessions.rglob("*") if path.is_file())
                    compare(session, arrays["labels"])
    for picture in folder.glob("walk_*.png"):
        run("mogrify", "-colors", "200", "-define", "png:compression-level=9", str(picture))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2] if len(sys.argv) > 2 else "screenshots"),
        sys.argv[3:] or WALKS,
    )
