"""Embeddings on disk from the command line, with the embedded network."""

import numpy as np
import pytest

from napari_sam2.cli import main
from napari_sam2.io.read import read_movie
from sam2_torch import SAM2, EmbeddingStore


@pytest.fixture
def movie(tmp_path, monkeypatch):
    """A bright disc in a noisy movie of two frames, 16-bit and not square, with its prompt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    y, x = np.ogrid[:60, :90]
    frames = np.random.default_rng(0).normal(400, 30, (2, 60, 90))
    for t in range(2):
        frames[t][(y - 30) ** 2 + (x - 40 - 3 * t) ** 2 <= 144] += 3000
    np.save("movie.npy", frames.astype(np.uint16))
    (tmp_path / "clicks.csv").write_text("object,frame,kind,y,x,label\n1,0,point,30,40,1\n")
    return tmp_path


@pytest.fixture
def encoded(monkeypatch):
    """Count the images that the network encodes."""
    images = []
    real = SAM2.encode_image
    monkeypatch.setattr(
        SAM2, "encode_image", lambda self, batch: (images.extend(batch), real(self, batch))[1]
    )
    return images


def track(output, *options):
    command = f"track movie.npy --prompts clicks.csv -o {output} --device cpu"
    assert main([*command.split(), *options]) == 0
    return np.asarray([read_movie(output)[t] for t in range(2)])


def test_a_movie_is_embedded_once_and_tracked_the_same(movie, encoded, capsys):
    plain = track("plain.tif")
    assert (plain == 1).any(axis=(1, 2)).all() and len(encoded) == 2
    assert main("embed movie.npy --device cpu".split()) == 0
    out, err = capsys.readouterr()
    assert f"movie.npy: 2 frames in {movie / 'cache' / 'embeddings'}" in out
    assert "2/2" in err and len(encoded) == 4
    store = EmbeddingStore(movie / "cache" / "embeddings")
    assert len(store) == 2
    np.testing.assert_array_equal(track("kept.tif", "--embeddings"), plain)
    assert main("embed movie.npy --device cpu".split()) == 0
    assert len(encoded) == 4  # nothing was encoded again
    assert main(["embed", "--clear"]) == 0
    assert "MB freed" in capsys.readouterr().out and len(store) == 0


def test_a_folder_of_choice_and_a_part_of_the_movie(movie, encoded):
    assert main("embed movie.npy --embeddings kept --frames 1:2 --device cpu".split()) == 0
    assert len(EmbeddingStore(movie / "kept")) == 1 and not (movie / "cache").exists()
    track("labels.tif", "--embeddings", "kept")
    assert len(encoded) == 2 and len(EmbeddingStore(movie / "kept")) == 2


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("embed", "expected a movie, or --clear, found neither"),
        ("embed gone.tif", "expected a file or a folder of images, found nothing"),
        ("embed movie.npy --embeddings clicks.csv", "expected a folder for embeddings"),
        ("embed movie.npy --frames 5:9 --device cpu", "frames 5:9: expected"),
        ("embed movie.npy --resolution 1 --device cpu", "windows, which depend on the objects"),
    ],
)
def test_mistakes_are_sentences(movie, capsys, command, sentence):
    assert main(command.split()) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("napari-sam2: ") and sentence in last
