"""Labelled data out of folders as people have them, and out of sessions."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2.io.training_data import read_labelled, session_movies, write_dataset
from napari_sam2.masks.masklets import Masklets
from sam2_torch.masks import SparseMask
from sam2_torch.training.data.labelled_movies import DataError, read_dataset

LABELS = np.zeros((20, 30), np.uint16)
LABELS[3:9, 4:12] = 1
LABELS[12:18, 15:27] = 7
IMAGE = (LABELS > 0) * np.uint16(3000) + 100


def test_folders_of_equal_names(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", IMAGE)
    Image.fromarray(LABELS.astype(np.uint8)).save(tmp_path / "masks" / "a.png")
    movie = np.stack([IMAGE] * 3)
    tifffile.imwrite(tmp_path / "images" / "b.tif", movie, metadata={"axes": "TYX"}, imagej=True)
    labels = np.stack([LABELS] * 3)
    tifffile.imwrite(
        tmp_path / "masks" / "b_masks.tif", labels, metadata={"axes": "TYX"}, imagej=True
    )
    single, time_lapse = read_labelled(tmp_path)
    assert (single.name, single.kind) == ("a", "2d")
    np.testing.assert_array_equal(single.labels[0], LABELS)
    np.testing.assert_array_equal(single.images[0], IMAGE)
    assert (time_lapse.name, time_lapse.kind, time_lapse.n_frames) == ("b", "time", 3)


def test_pairs_of_files(tmp_path):
    tifffile.imwrite(tmp_path / "well 1.tif", IMAGE)
    tifffile.imwrite(tmp_path / "well 1_cp_masks.tif", LABELS)
    tifffile.imwrite(tmp_path / "without.tif", IMAGE)
    (movie,) = read_labelled(tmp_path)
    assert movie.name == "well 1"
    assert movie.count_masks() == 2


def pair(folder, image, labels):
    tifffile.imwrite(folder / "a.tif", image)
    tifffile.imwrite(folder / "a_labels.tif", labels)
    return folder


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no such folder"):
        read_labelled(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none of these"):
        read_labelled(tmp_path)
    with pytest.raises(DataError, match=r"expected 1 label images of \(20, 30\).*of \(30, 20\)"):
        read_labelled(pair(tmp_path, IMAGE, LABELS.T))
    with pytest.raises(DataError, match="whole numbers, one for each object, found float32"):
        read_labelled(pair(tmp_path, IMAGE, LABELS.astype(np.float32)))
    binary = np.zeros((20, 30), np.uint8)
    binary[2::6, 2::6] = 255
    with pytest.raises(DataError, match="one number for all of about 15"):
        read_labelled(pair(tmp_path, IMAGE, binary))
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    tifffile.imwrite(tmp_path / "images" / "lonely.tif", IMAGE)
    with pytest.raises(DataError, match=r"lonely\.tif: expected labels of the same name"):
        read_labelled(tmp_path)


def masklets_with(known):
    """Masklets of 6 frames from {object: {frame: is it there}}."""
    masklets = Masklets(6, (20, 30))
    for object_id, frames in known.items():
        for frame, there in frames.items():
            mask = LABELS == (1 if object_id == 1 else 7)
            masklets.set(object_id, frame, SparseMask.from_dense(mask & there))
    return masklets


def test_frames_of_which_the_same_objects_are_known_are_one_movie():
    both = dict.fromkeys(range(3), True)
    masklets = masklets_with({1: {**both, 4: True}, 2: {**both, 2: False}})
    frames = np.stack([IMAGE + t for t in range(6)])
    movie, still = session_movies("cells", frames, masklets)
    assert (movie.name, movie.kind, movie.n_frames) == ("cells 0-2", "time", 3)
    assert [set(np.unique(label)) for label in movie.labels] == [{0, 1, 2}, {0, 1, 2}, {0, 1}]
    np.testing.assert_array_equal(movie.images, frames[:3])
    assert (still.name, still.kind, still.n_frames) == ("cells 4-4", "2d", 1)
    np.testing.assert_array_equal(still.images[0], frames[4])
    assert movie.source == still.source


def test_a_dataset_comes_back_as_it_was_written(tmp_path):
    masklets = masklets_with({1: {0: True, 1: True}, 2: {0: True, 1: True, 5: True}})
    movies = session_movies("my / cells", np.stack([IMAGE] * 6), masklets, "z")
    write_dataset(tmp_path, movies)
    again = read_dataset(tmp_path)
    assert [m.kind for m in again] == ["z", "2d"]
    for one, two in zip(movies, again, strict=True):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)
    assert read_labelled(tmp_path)[0].n_frames == 2
