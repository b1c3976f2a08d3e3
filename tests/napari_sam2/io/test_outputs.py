"""What may be written: nothing of a user's is replaced by accident."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.cli import main
from napari_sam2.io.outputs import SIGNATURE, check_outputs
from napari_sam2.io.tracks.formats import FORMATS, export, find_format
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

SHAPE = (30, 44)


@pytest.fixture
def tracked() -> Tracked:
    masklets = Masklets(3, SHAPE)
    for frame in range(3):
        masklets.set(2, frame, SparseMask.from_window(SHAPE, np.ones((4, 5)), (3, 6 + frame)))
    return Tracked(masklets)


@pytest.mark.parametrize("suffix", [*FORMATS])
def test_our_own_outputs_may_be_replaced(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    export(path, tracked)
    check_outputs(find_format(path).files(path))
    export(path, tracked)
    assert not [file for file in tmp_path.iterdir() if ".part" in file.name]


@pytest.mark.parametrize("suffix", [*FORMATS])
def test_an_output_is_never_an_input(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    export(path, tracked)
    os.symlink(path, tmp_path / "link", target_is_directory=path.is_dir())
    for source in (path, tmp_path / "link", path.parent / "." / path.name):
        with pytest.raises(ValueError, match="expected an output of its own, found one of the inp"):
            check_outputs([path], [source], overwrite=True)


@pytest.mark.parametrize("suffix", [".tif", ".xml", ".json", ".zip", ".csv", ".mp4", ".parquet"])
def test_files_of_others_need_overwrite(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"of somebody else" * 9999)
    with pytest.raises(FileExistsError, match=r"choose another name, or replace it \(--overwrite"):
        check_outputs([path])
    check_outputs([path], overwrite=True)
    path.write_bytes(b"")
    check_outputs([path])


def test_folders_of_others_are_never_replaced(tracked: Tracked, tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "raw.ome.zarr", data=np.ones((2, 3, 4)), zarr_format=2)
    (tmp_path / "thesis.ctc").mkdir()
    (tmp_path / "thesis.ctc" / "chapter.txt").write_text("...")
    results = tmp_path / "results.ctc"
    results.mkdir()
    (results / "res_track.txt").write_text("1 0 0 0\n")
    tifffile.imwrite(results / "mask000.tif", np.ones(SHAPE, np.uint16))
    for path in (tmp_path / "raw.ome.zarr", tmp_path / "thesis.ctc", results):
        with pytest.raises(FileExistsError, match="choose another name"):
            check_outputs([path], overwrite=True)
        with pytest.raises(FileExistsError):
            export(path, tracked)
    assert (tmp_path / "thesis.ctc" / "chapter.txt").read_text() == "..."
    assert zarr.open_array(tmp_path / "raw.ome.zarr")[0, 0, 0] == 1


@pytest.mark.parametrize("suffix", [".ctc", ".ome.zarr", ".geff"])
def test_our_folders_with_files_of_others_are_kept(
    tracked: Tracked, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    export(path, tracked)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"found one with notes\.txt"):
        check_outputs([path], overwrite=True)


def test_outputs_within_and_around_inputs(tmp_path: Path) -> None:
    source = tmp_path / "data.zarr"
    zarr.create_array(source, data=np.ones((2, 3)))
    with pytest.raises(ValueError, match="expected an output outside of the input"):
        check_outputs([source / "labels.tif"], [source])
    (tmp_path / "x.ctc").mkdir()
    (tmp_path / "x.ctc" / "movie.tif").write_text("raw")
    with pytest.raises(ValueError, match="found a folder that holds the input"):
        check_outputs([tmp_path / "x.ctc"], [tmp_path / "x.ctc" / "movie.tif"])
    with pytest.raises(ValueError, match="found it twice"):
        check_outputs([tmp_path / "a.csv", tmp_path / "a_tracks.csv", tmp_path / "a_tracks.csv"])


def test_names_that_the_file_system_refuses(tmp_path: Path) -> None:
    check_outputs([tmp_path / ("n" * 251 + ".tif")])
    with pytest.raises(OSError, match=r"cannot be written \(File name too long\)"):
        check_outputs([tmp_path / ("n" * 252 + ".tif")])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folders_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="cannot be written"):
            check_outputs([tmp_path / "deep" / "er" / "o.tif"])
    finally:
        tmp_path.chmod(0o700)


def test_the_second_file_of_an_output_is_checked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.zeros((3, *SHAPE), np.uint16)
    labels[:, 4:9, 5:9] = 1
    tifffile.imwrite("labels.tif", labels, imagej=True, metadata={"axes": "TYX"})
    shutil.copy("labels.tif", "raw_tracks.csv")  # a user's, whatever it is
    assert main("export labels.tif -o raw.csv".split()) == 2
    assert "raw_tracks.csv: expected nothing, or a file that napari-sam2" in capsys.readouterr().err
    assert not Path("raw.csv").exists()
    assert main("export labels.tif --movie labels.tif -o labels.tif --overwrite".split()) == 2
    np.testing.assert_array_equal(tifffile.imread("labels.tif"), labels)
    assert main("export labels.tif -o raw.csv --overwrite".split()) == 0
    assert SIGNATURE  # tables are known by their header
    assert main("export labels.tif -o raw.csv".split()) == 0


def test_a_full_disk_is_found_before_any_work(tmp_path, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        path.touch()  # names still fit
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"out.tif: cannot be written \(No space left on device\)"):
        check_outputs([tmp_path / "out.tif"])
    assert not list(tmp_path.iterdir())
