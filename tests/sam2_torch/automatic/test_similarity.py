"""Find all like this: bright discs among dark ones, of two sizes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sam2_torch import SAM2, AutomaticMask, SparseMask
from sam2_torch.automatic import Likeness, find_alike

BRIGHT = ((30, 40, 13), (80, 60, 13), (45, 150, 13))
DARK = ((95, 130, 13), (30, 90, 13))
LARGE = ((90, 175, 24),)


def disc(place: tuple[int, int, int]) -> NDArray[np.bool_]:
    y, x = np.mgrid[:128, :200]
    return (y - place[0]) ** 2 + (x - place[1]) ** 2 < place[2] ** 2


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint16]:
    pixels = np.full((128, 200), 2000.0)
    for place in (*BRIGHT, *LARGE):
        pixels[disc(place)] = 4000
    for place in DARK:
        pixels[disc(place)] = 300
    return (pixels + np.random.default_rng(0).normal(0, 60, pixels.shape)).astype(np.uint16)


def candidate(place: tuple[int, int, int]) -> AutomaticMask:
    sparse = SparseMask.from_dense(disc(place))
    return AutomaticMask(sparse, 0.5, 0.5, 1.0, place[:2])


def test_what_looks_alike_comes_first(model: SAM2, image: NDArray[np.uint16]) -> None:
    candidates = [candidate(place) for place in (*DARK, *LARGE, *BRIGHT)]
    likeness = Likeness(model, [image])
    likeness.add_examples(0, [SparseMask.from_dense(disc(BRIGHT[0]))])
    found = find_alike(likeness, 0, candidates)
    assert {mask.seed_yx for mask, _ in found[:3]} == {place[:2] for place in BRIGHT}
    assert found[0][0].seed_yx == BRIGHT[0][:2]
    assert found[0][1] == pytest.approx(1, abs=1e-4)  # the example itself
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True) and 0 <= values[-1] < values[2]


def test_several_examples(model: SAM2, image: NDArray[np.uint16]) -> None:
    likeness = Likeness(model, [image])
    places = (BRIGHT[0], DARK[0])
    likeness.add_examples(0, [SparseMask.from_dense(disc(place)) for place in places])
    found = likeness.similarities(0, [SparseMask.from_dense(disc(place)) for place in DARK])
    assert found[0] == pytest.approx(1, abs=1e-4) and found[1] > 0.5
    assert likeness.similarities(0, []).shape == (0,)


def test_without_an_example_it_is_told(model: SAM2, image: NDArray[np.uint16]) -> None:
    likeness = Likeness(model, [image])
    with pytest.raises(ValueError, match="examples: expected at least one object"):
        find_alike(likeness, 0, [candidate(BRIGHT[0])])
    with pytest.raises(ValueError, match="found an empty mask"):
        likeness.add_examples(0, [SparseMask.empty((128, 200))])
