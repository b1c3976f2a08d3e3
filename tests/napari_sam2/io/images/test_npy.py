import numpy as np
import pytest

from napari_sam2.io.read import read_npy


def test_an_array_is_mapped(tmp_path):
    pixels = np.random.default_rng(0).random((5, 40, 60)).astype(">f4")
    np.save(tmp_path / "movie.npy", pixels)
    movie = read_npy(tmp_path / "movie.npy", "ZYX")
    assert movie.layout.label_axes == "ZYX"
    np.testing.assert_array_equal(np.stack(list(movie)), pixels)


@pytest.mark.parametrize("content", [b"", b"words", b"\x93NUMPY\x01\x00"])
def test_what_is_no_array_is_said(tmp_path, content):
    (tmp_path / "movie.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"movie\.npy: expected an array saved with numpy.save"):
        read_npy(tmp_path / "movie.npy")


@pytest.mark.parametrize("shape", ["(5,", '"', "()", "(10**30,)", f"({10**30},)", "(1.5, 8)", "{}"])
def test_a_header_that_describes_no_array_is_said(tmp_path, shape):
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(2000)
    (tmp_path / "movie.npy").write_bytes(content)
    with pytest.raises(ValueError, match="expected"):
        read_npy(tmp_path / "movie.npy")


def test_a_truncated_array_is_said(tmp_path):
    path = tmp_path / "movie.npy"
    np.save(path, np.zeros((5, 40, 60)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="expected an array saved"):
        read_npy(path)


def test_objects_and_archives_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    with pytest.raises(ValueError, match="expected an array saved"):
        read_npy(tmp_path / "objects.npy")
    np.savez(tmp_path / "archive.npz", a=np.zeros(3))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    with pytest.raises(ValueError, match="found an archive"):
        read_npy(tmp_path / "archive.npy")
