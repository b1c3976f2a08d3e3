from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sam2_torch import CELLS_NANO, RELEASED, MaskPrompt
from sam2_torch.inputs import transforms
from sam2_torch.inputs.frames import Crop
from sam2_torch.inputs.transforms import (
    InputGeometry,
    coarse_logits,
    image_to_input,
    logits_to_masks,
    measure_contrast,
    relay,
)
from sam2_torch.masks import SparseMask, bounding_box
from sam2_torch.predictions import LOGIT_STEP

TINY = RELEASED["sam2.1_hiera_tiny"]


@pytest.mark.parametrize("config", [CELLS_NANO, TINY])
@pytest.mark.parametrize("shape", [(100, 160), (700, 300), (64, 64), (1, 5)])
def test_points_and_pixels_land_on_the_same_place(config, shape):
    geometry = InputGeometry.fit(shape, config)
    y, x = shape[0] // 3, shape[1] // 2
    image = np.zeros(shape, np.float32)
    image[y, x] = 1
    seen = image_to_input(image, (0, 1), config)[0, 0]
    seen = seen - seen[0, 0]
    (centre_x, centre_y) = geometry.to_input_xy([(y + 0.5, x + 0.5)])[0].tolist()
    rows, columns = torch.meshgrid(*(torch.arange(len(seen)) + 0.5,) * 2, indexing="ij")
    weight = seen.clamp(min=0)[: geometry.content[0], : geometry.content[1]]
    found_y = (rows[: weight.shape[0], : weight.shape[1]] * weight).sum() / weight.sum()
    found_x = (columns[: weight.shape[0], : weight.shape[1]] * weight).sum() / weight.sum()
    assert abs(found_y - centre_y) <= geometry.scale_yx[0] + 0.5
    assert abs(found_x - centre_x) <= geometry.scale_yx[1] + 0.5


def test_aspect_is_kept_only_where_the_model_was_trained_so():
    assert InputGeometry.fit((100, 200), CELLS_NANO).content == (256, 512)
    assert InputGeometry.fit((100, 200), TINY).content == (1024, 1024)
    padded = image_to_input(np.ones((100, 200)), (0, 1), CELLS_NANO)
    assert (padded[..., 256:, :] == 0).all() and (padded[..., :256, :] > 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_any_real_dtype_looks_the_same(dtype):
    pixels = np.arange(40 * 60).reshape(40, 60) % 100
    seen = image_to_input(pixels.astype(dtype), (0, 99), CELLS_NANO)
    expected = image_to_input(pixels.astype(np.float64) / 99, (0, 1), CELLS_NANO)
    torch.testing.assert_close(seen, expected, atol=1e-4, rtol=0)


def test_constant_and_nan_frames_have_no_nan():
    for frame in (np.full((8, 9), 7.0), np.full((8, 9), np.nan)):
        assert image_to_input(frame, (7, 7), CELLS_NANO).isfinite().all()


def test_contrast_ignores_hot_pixels_and_nan_and_is_constant_over_the_movie():
    generator = np.random.default_rng(0)
    movie = generator.integers(100, 200, (20, 64, 48)).astype(np.float32)
    movie[3, 5, 5], movie[4] = 60000, np.nan
    low, high = measure_contrast(movie)
    assert 99 <= low <= 102 and 197 <= high <= 200


def test_contrast_reads_few_frames():
    class Movie(list):
        read = 0

        def __getitem__(self, t):
            self.read += 1
            return super().__getitem__(t)

    movie = Movie([np.zeros((8, 8))] * 500)
    measure_contrast(movie)
    assert movie.read <= 8


def test_nan_only_is_told():
    with pytest.raises(ValueError, match="only NaN or infinity"):
        measure_contrast(np.full((2, 8, 8), np.nan))


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (np.zeros(5), r"found \(5,\)"),
        (np.zeros((2, 5, 5)), "choose one channel"),
        (np.zeros((5, 0)), r"found \(5, 0\)"),
        (np.zeros((5, 5), complex), "real numbers"),
        (np.array([["a", "b"]]), "real numbers"),
    ],
)
def test_what_is_no_image_is_told(frame, sentence):
    with pytest.raises(ValueError, match=sentence):
        image_to_input(frame, (0, 1), CELLS_NANO)


@pytest.mark.parametrize("config", [CELLS_NANO, TINY])
@pytest.mark.parametrize("shape", [(190, 211), (37, 1200), (1500, 800), (128, 128)])
def test_windowed_masks_equal_the_whole_interpolation(config, shape):
    geometry = InputGeometry.fit(shape, config)
    side = config.logits_size
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(
        torch.randn(4, 1, 9, 9, generator=generator), size=(side, side), mode="bicubic"
    )[:, 0]
    smooth[1] -= 1.5
    smooth[2] = -1  # empty
    smooth[3] = 1  # full
    whole = smooth
    if config.keep_aspect:  # the input's pixels first, then the content, then the image
        grid_y, grid_x = (
            ((torch.arange(n) + 0.5) * scale / (geometry.size / side) - 0.5)
            for n, scale in zip(shape, geometry.scale_yx, strict=True)
        )
        y, x = torch.meshgrid(grid_y, grid_x, indexing="ij")
        grid = (torch.stack((x, y), -1) + 0.5) / side * 2 - 1
        whole = F.grid_sample(
            smooth[:, None],
            grid.expand(4, -1, -1, -1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )[:, 0]
    else:
        whole = F.interpolate(smooth[:, None], size=shape, mode="bilinear")[:, 0]
    for mask, expected in zip(logits_to_masks(smooth, geometry), whole, strict=True):
        unsure = (expected.abs() < 1e-4).numpy()
        np.testing.assert_array_equal(mask.to_dense()[~unsure], (expected > 0).numpy()[~unsure])
    for logits, expected in zip(smooth, whole, strict=True):
        coarse, inside = (
            coarse_logits(logits, geometry, bounding_box(logits.numpy() > 0)),
            np.nonzero((expected > 1e-4).numpy()),
        )
        if coarse is None:
            assert len(inside[0]) == 0
        else:
            found = coarse.at(*inside)
            np.testing.assert_allclose(found, expected.numpy()[inside], atol=LOGIT_STEP / 2 + 1e-3)


def test_logits_of_a_window_lie_where_the_window_lies():
    geometry = InputGeometry.fit((300, 500), CELLS_NANO, Crop((90, 200), (128, 128)))
    side = CELLS_NANO.logits_size
    logits = torch.full((side, side), -9.0)
    logits[20:40, 50:70] = torch.arange(1, 21).float()  # rises from left to right
    (mask,) = logits_to_masks(logits[None], geometry)
    rows, columns = np.nonzero(mask.to_dense())
    found = coarse_logits(logits, geometry, bounding_box(logits.numpy() > 0)).at(rows, columns)
    left, right = found[columns < np.median(columns)], found[columns > np.median(columns)]
    assert found.min() > -LOGIT_STEP
    assert left.mean() + 5 < right.mean()


def test_mask_prompt_goes_to_the_input_and_back():
    shape = (90, 200)
    geometry = InputGeometry.fit(shape, CELLS_NANO)
    mask = np.zeros(shape, bool)
    mask[20:60, 150:190] = True
    seen = geometry.mask_to_input(MaskPrompt(mask))
    assert seen.shape == (1, 1, 512, 512)
    logits = F.interpolate(seen * 20 - 10, size=(128, 128), mode="bilinear", antialias=True)
    (back,) = logits_to_masks(logits[0], geometry)
    assert (back.to_dense() ^ mask).sum() < 0.05 * mask.sum()
    with pytest.raises(ValueError, match=r"expected the image's shape \(90, 200\), found \(9, 9\)"):
        geometry.mask_to_input(MaskPrompt(np.zeros((9, 9))))


def test_a_map_is_laid_over_another_part_of_the_image():
    config = replace(CELLS_NANO, image_size=64)
    old = InputGeometry.fit((400, 600), config, Crop((100, 200), (128, 128)))
    new = InputGeometry.fit((400, 600), config, Crop((132, 184), (128, 128)))
    maps = torch.arange(2 * 8 * 8.0).reshape(2, 8, 8)  # a cell of the map is 16 pixels
    laid = relay(maps, old, new)
    torch.testing.assert_close(laid[:, :6, 1:], maps[:, 2:, :7])
    torch.testing.assert_close(laid[:, 6, 1:], maps[:, 7, :7])  # as at the border
    moved = relay(maps, old, new, (32, -16))  # what moved along is where it was
    torch.testing.assert_close(moved, maps)
    wide = InputGeometry.fit((400, 600), config, Crop((100, 200), (256, 256)))
    small = relay(maps, old, wide)
    torch.testing.assert_close(small[:, 1, 1], maps[:, 2:4, 2:4].mean((1, 2)))
    box = old.box_in_image((0, 0, 8, 16), 16)
    assert box == (100, 200, 164, 328) and old.shows((100, 328)) and not old.shows((99, 250))


def test_points_go_to_a_part_and_back():
    part = InputGeometry.fit((400, 600), CELLS_NANO, Crop((100, 200), (128, 256)))
    points = np.array([[100, 200], [164.5, 328.25]], np.float32)
    np.testing.assert_allclose(part.to_input_xy(points), [[0, 0], [256.5, 129]])
    np.testing.assert_allclose(part.to_image_yx(part.to_input_xy(points)), points)


@pytest.mark.parametrize(
    ("shape", "crop"),
    [((4100, 6200), None), ((9000, 9000), Crop((1003, 2050), (4100, 4100)))],
)
def test_mask_prompts_of_large_frames_are_resized_by_parts(shape, crop, monkeypatch):
    geometry = InputGeometry.fit(shape, CELLS_NANO, crop)
    disc = np.hypot(*np.mgrid[-500:501, -700:701]) < 480
    sparse = SparseMask.from_window(shape, disc, (3000, 4000))
    seen = geometry.mask_to_input(MaskPrompt(sparse)).numpy()
    monkeypatch.setattr(transforms, "FINER", 10**6)
    exact = geometry.mask_to_input(MaskPrompt(sparse)).numpy()
    assert exact.sum() > 1000
    assert (seen != exact).sum() < 0.02 * exact.sum()  # of the rim
