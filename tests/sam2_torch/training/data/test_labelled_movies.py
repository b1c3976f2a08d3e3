"""Reading labelled data, holding some of it out, and refusing what teaches nothing."""

import numpy as np
import pytest
from tests.sam2_torch.training.conftest import disc_movie

from sam2_torch.training.data.labelled_movies import (
    DataError,
    LabelledMovie,
    check_enough,
    hold_out,
    read_dataset,
    source_of,
    split_by_source,
)


def write_dataset(folder, movies):
    rows = ["file,kind,modality"]
    for movie in movies:
        image, labels = movie.images, movie.labels
        if movie.kind == "2d":
            image, labels = image[0], labels[0]
        np.savez_compressed(folder / f"{movie.name}.npz", image=image, labels=labels)
        rows.append(f"{movie.name}.npz,{movie.kind},{movie.modality}")
    (folder / "manifest.csv").write_text("\n".join(rows))


def test_a_dataset_is_read(tmp_path):
    write_dataset(tmp_path, [disc_movie("wells_01"), disc_movie("still_7", n_frames=1)])
    movie, still = read_dataset(tmp_path)
    assert (movie.name, movie.kind, movie.n_frames) == ("wells_01", "time", 6)
    assert movie.images.shape == movie.labels.shape == (6, 48, 72)
    assert still.images.shape == (1, 48, 72)
    assert movie.source == "wells / fluorescence"
    assert movie.count_masks() == 9
    np.testing.assert_array_equal(movie.objects(0)[0], [1, 2])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("dsb_8f6e49e474", "dsb"),
        ("usiigaci_set12", "usiigaci_set"),
        ("bbbc050_train_Emb03_t401", "bbbc050_train_Emb03_t"),
        ("bian_membrane", "bian_membrane"),
    ],
)
def test_names_tell_what_was_recorded_together(name, source):
    assert source_of(name, "x") == f"{source} / x"


def movies_of(**counts):
    return [
        disc_movie(f"{source}_{i}", n_frames=1, source=source)
        for source, n in counts.items()
        for i in range(n)
    ]


def test_whole_sources_are_held_out():
    movies = movies_of(large=12, a=2, b=2, c=2, d=2)
    split = split_by_source(movies, 0.2)
    assert len(split.held_out) == 4
    assert len(split.training) == 16
    sources = {m.source for m in split.held_out}
    assert not sources & {m.source for m in split.training}
    assert "large" not in sources


def test_of_one_source_images_are_held_out_and_of_one_movie_its_end():
    split = split_by_source(movies_of(only=5), 0.2)
    assert (len(split.training), len(split.held_out)) == (4, 1)
    (begin,), (end,) = (
        split_by_source([disc_movie(n_frames=10)], 0.2).training,
        split_by_source([disc_movie(n_frames=10)], 0.2).held_out,
    )
    assert (begin.n_frames, end.n_frames) == (8, 2)


def test_of_a_single_image_one_side_is_held_out():
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 40, 60), np.uint16)
    for i, (y, x) in enumerate(((2, 5), (2, 40), (17, 20), (22, 45), (31, 8)), start=1):
        labels[0, y : y + 8, x : x + 8] = i
    image = rng.integers(0, 60000, labels.shape).astype(np.uint16)
    movie = LabelledMovie("one", "one", "2d", "discs", image, labels)
    split = split_by_source([movie], 0.2)
    (training,), (held_out,) = split.training, split.held_out
    np.testing.assert_array_equal(held_out.images, image[:, 31:])  # as wide as before
    np.testing.assert_array_equal(training.images, image[:, :31])
    assert held_out.objects(0)[0].tolist() == [5] and training.objects(0)[0].tolist() == [
        1,
        2,
        3,
        4,
    ]
    split = split_by_source([movie], 0.4)  # the cut at row 22 divides object 3
    assert split.training[0].objects(0)[0].tolist() == [1, 2]
    assert split.held_out[0].objects(0)[0].tolist() == [4, 5]
    one = LabelledMovie("one", "one", "2d", "discs", image, (labels == 3).astype(np.uint16))
    with pytest.raises(DataError, match="two sides of the image"):
        split_by_source([one], 0.2)


def test_patterns_hold_out():
    split = hold_out(movies_of(a=3, b=2), ["b_*"])
    assert [m.name for m in split.held_out] == ["b_0", "b_1"]
    with pytest.raises(DataError, match="found 0"):
        hold_out(movies_of(a=3), ["z*"])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 8, 9)), np.zeros((2, 9, 8), int), "expected labels of the images' shape"),
        (np.zeros((8, 9)), np.zeros((8, 9), int), "expected images of shape"),
        (np.zeros((1, 8, 9)), np.zeros((1, 8, 9)), "whole numbers, found float64"),
        (np.zeros((1, 8, 9)), np.full((1, 8, 9), -1), "0 or more, found -1"),
    ],
)
def test_shapes_and_types_that_do_not_fit_are_refused(images, labels, message):
    with pytest.raises(DataError, match=message):
        LabelledMovie("x", "s", "2d", "m", images, labels)


def test_too_little_is_refused():
    empty = LabelledMovie("x", "s", "2d", "m", np.zeros((1, 8, 9)), np.zeros((1, 8, 9), int))
    with pytest.raises(DataError, match="found none; are the label images empty"):
        check_enough([empty], 5)
    with pytest.raises(DataError, match="at least 20 masks to learn from, found 9"):
        check_enough([disc_movie()], 20)
    assert check_enough([disc_movie()], 9) == 9


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a manifest\.csv"):
        read_dataset(tmp_path)
    (tmp_path / "manifest.csv").write_text("file,kind\nx.npz,2d\n")
    with pytest.raises(DataError, match="expected the columns file, kind and modality"):
        read_dataset(tmp_path)
    (tmp_path / "manifest.csv").write_text("file,kind,modality\nx.npz,2d,m\n")
    with pytest.raises(DataError, match="at least one item whose file is there"):
        read_dataset(tmp_path)
    np.savez(tmp_path / "x.npz", image=np.zeros((4, 4)))
    with pytest.raises(DataError, match="x: expected the arrays image and labels"):
        read_dataset(tmp_path)
