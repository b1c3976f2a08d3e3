import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import sam2_torch
from napari_sam2 import __version__
from napari_sam2.api import prompted
from napari_sam2.cli import main
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.read import read_movie
from napari_sam2.io.sessions.session_tracks import write_tracked_session
from napari_sam2.movies.movie import Calibration
from sam2_torch.sessions.run_estimate import Estimate

PROMPTS = "object,frame,kind,y,x,label,y1,x1\n1,0,point,20,20,1,,\n2,2,box,5,30,,12,40\n"
PIXELS = np.random.default_rng(0).integers(0, 999, (5, 40, 60)).astype(np.uint16)


@pytest.fixture(autouse=True)
def quick(monkeypatch, make_session):
    """No network: sessions that draw discs."""
    loaded = []

    def load(name="cells_nano", device="auto", dtype=None, **_):
        if name == "nothing":
            raise FileNotFoundError("model 'nothing': expected a name or a file, found no such")
        loaded.append((name, device))
        return SimpleNamespace(device=device, dtype="float32")

    monkeypatch.setattr(prompted, "estimate_run", lambda *_: Estimate(61.0, 2 * 10**9, 10**8))
    monkeypatch.setattr("sam2_torch.checkpoints.loading.load_sam2", load)
    monkeypatch.setattr("sam2_torch.checkpoints.loading.load_model", load)
    monkeypatch.setitem(
        vars(sam2_torch), "VideoSession", lambda _, frames, **options: make_session(frames)
    )
    return loaded


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a movie and prompts, which is the current one."""
    monkeypatch.chdir(tmp_path)
    write_tiff(
        tmp_path / "movie.tif", PIXELS, PIXELS.shape, "ZYX", Calibration((0.5, 0.25), z_step=2.0)
    )
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_movie_is_tracked(folder, quick, capsys):
    assert main("track movie.tif --prompts prompts.csv -o labels.tif --device cpu".split()) == 0
    assert quick == [("cells_nano", "cpu")]
    labels = read_movie(folder / "labels.tif")
    assert labels.layout.label_axes == "ZYX"
    assert labels.calibration.pixel_size_yx == pytest.approx((0.5, 0.25))
    assert labels.calibration.z_step == 2.0
    assert [set(np.unique(frame)) for frame in labels] == [{0, 1, 2}] * 5
    assert np.argwhere(labels[3] == 1).mean(0) == pytest.approx((20, 23))
    said = capsys.readouterr()
    assert said.out == "labels.tif: 2 objects in 5 frames\n"
    assert "5 frames of 40 x 60 uint16 (axes ZYX)" in said.err
    assert "about 61 s, up to 2.0 GB to compute and 0.1 GB for the masks" in said.err
    assert "5/5" in said.err


def test_frames_and_direction(folder):
    text = "track movie.tif --prompts prompts.csv -o o.tif --frames :4 --direction backward"
    assert main(text.split()) == 0
    labels = read_movie(folder / "o.tif")
    assert [frame.any() for frame in labels] == [True, False, True, False, False]


def test_axes_and_channel(folder):
    np.save("stack.npy", PIXELS.reshape(5, 1, 40, 60))
    text = "track stack.npy --prompts prompts.csv -o o.tif --axes TCYX --channel"
    assert main([*text.split(), "0"]) == 0
    assert read_movie(folder / "o.tif").n_frames == 5
    assert main([*text.split(), "1"]) == 2


def test_a_label_image_prompts_and_stays(folder):
    given = np.zeros((40, 60), np.uint16)
    given[5:25, 10:20] = 7
    tifffile.imwrite("given.tif", given)
    assert main("track movie.tif --prompts given.tif -o o.tif".split()) == 0
    np.testing.assert_array_equal(read_movie(folder / "o.tif")[0], given)


def test_several_inputs(folder, capsys, quick):
    for name in ("a.npy", "b.npy"):
        np.save(name, PIXELS)
    (folder / "out").mkdir()
    (folder / "out" / "b.tif").write_text("finished before")
    assert main(["track", "*.npy", "--prompts", "prompts.csv", "-o", "out"]) == 0
    assert names(folder / "out") == ["a.tif", "b.tif", "logs"]
    assert (folder / "out" / "b.tif").read_text() == "finished before"
    assert "b.tif exists: skipped" in capsys.readouterr().err
    assert len(quick) == 1


def test_a_bad_input_does_not_stop_the_others(folder, capsys):
    np.save("c.npy", PIXELS)
    (folder / "a.tif").write_text("not a tiff")
    code = main(["track", "a.tif", "c.npy", "--prompts", "prompts.csv", "-o", "out"])
    assert code == 1
    assert names(folder / "out") == ["c.tif", "logs"]
    said = capsys.readouterr()
    assert "napari-sam2: a.tif: expected a whole TIFF" in said.err
    assert "1 of 2 failed:" in said.err
    assert said.out.count("\n") == 1
    assert names(folder / "out" / "logs") == ["a.tif.log", "c.tif.log"]
    log = (folder / "out" / "logs" / "a.tif.log").read_text()
    assert "ERROR ValueError: a.tif: expected a whole TIFF" in log and "Traceback" in log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("track no.tif --prompts prompts.csv -o o.tif", "no.tif: expected a file"),
        ("track movie.tif -o o.tif", "movie.tif: expected prompts, in --prompts or in the job"),
        ("track movie.tif --prompts prompts.csv", "movie.tif: expected an output, in -o or"),
        ("track movie.tif --prompts prompts.csv -o o --formats tif,doc", "expected some of .tif"),
        ("track text.tif --prompts prompts.csv -o o.tif", "text.tif: expected a whole TIFF"),
        ("track line.npy --prompts prompts.csv -o o.tif", "line.npy: expected an image (Y, X)"),
        ("track nan.npy --prompts prompts.csv -o o.tif", "nan.npy: expected pixels with numbers"),
        ("track empty --prompts prompts.csv -o o.tif", "empty: expected a folder of images"),
        ("track movie.tif --prompts text.csv -o o.tif", "text.csv, line 1: expected the header"),
        ("track movie.tif --prompts late.csv -o o.tif", "late.csv, line 2, column frame"),
        ("track movie.tif --prompts prompts.csv -o o.avi", "expected an output that ends in .tif"),
        ("track movie.tif --prompts prompts.csv -o movie.tif", "an output of its own"),
        ("track movie.tif --prompts prompts.csv -o o.tif --axes TCYX", "name 4 axes"),
        ("track movie.tif --prompts prompts.csv -o o.tif --frames 2:9", "within 0:5"),
        ("track movie.tif --prompts prompts.csv -o o.tif --frames 3:5", "expected at least one"),
        ("track movie.tif --prompts prompts.csv -o o.tif --model nothing", "model 'nothing'"),
        ("demo line.npy -o demo", "line.npy: expected an image"),
        ("demo flat.npy -o demo", "expected bright cells in frame 0, found none"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_nothing(folder, capsys, arguments, message):
    (folder / "text.tif").write_text("these are words")
    (folder / "text.csv").write_text("these are words")
    (folder / "late.csv").write_text("object,frame,kind,y,x\n1,5,point,4,5\n")
    (folder / "empty").mkdir()
    np.save("line.npy", np.zeros(9))
    np.save("nan.npy", np.full((40, 60), np.nan))
    np.save("flat.npy", np.zeros((3, 40, 60)))
    before = names(folder)
    assert main(arguments.split()) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert names(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "trck movie.tif",
        "track movie.tif --prompts p.csv -o o.tif --workers 0",
        "track movie.tif --prompts p.csv -o o.tif --frames 3",
        "track movie.tif --prompts p.csv -o o.tif --direction sideways",
    ],
)
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(arguments.split())
    assert exit_info.value.code == 2
    assert "usage: napari-sam2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 1, "stopped; nothing is left half-written"),
        (RuntimeError("CUDA out of memory"), 1, "napari-sam2: CUDA out of memory"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyError("model 'x': expected one of a, b"), 2, "napari-sam2: model 'x': expected"),
        (MemoryError(), 1, "napari-sam2: MemoryError"),
    ],
)
def test_failures_leave_what_was_there_and_keep_the_masks(
    folder, monkeypatch, capsys, error, code, message
):
    (folder / "o.tif").write_text("old")
    before = names(folder)

    def fail(*_):
        raise error

    with monkeypatch.context() as failing:
        failing.setattr("napari_sam2.masks.masklets.Masklets.labels", fail)  # while it is written
        command = "track movie.tif --prompts prompts.csv -o o.tif --overwrite"
        assert main(command.split()) == code
    printed = capsys.readouterr().err
    assert message in printed and "the masks are kept in" in printed
    assert (folder / "o.tif").read_text() == "old"
    (session,) = set(names(folder)) - set(before)
    assert main(["export", session, "--movie", "movie.tif", "-o", "again.tif"]) == 0
    main("track movie.tif --prompts prompts.csv -o all_well.tif".split())
    np.testing.assert_array_equal(tifffile.imread("again.tif"), tifffile.imread("all_well.tif"))


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("napari_sam2.api.prompted.track", lambda *_, **__: {}.missing)
    with pytest.raises(AttributeError):
        main("track movie.tif --prompts prompts.csv -o o.tif".split())


def test_the_traceback_of_an_error_can_be_had(capsys):
    assert main("--traceback track no.tif --prompts prompts.csv -o o.tif".split()) == 2
    assert "Traceback" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--version"])
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f"napari-sam2 {__version__}\n"


def test_help_is_quick():
    code = (
        "import sys, contextlib; from napari_sam2.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['track', '--help'])\n"
        "sys.exit(bool({'torch', 'napari', 'qtpy', 'skimage'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("-o o.json --axes TZYX", "o.json: expected a movie or a stack, found a movie of stacks"),
        ("-o o.ctc", r"o.ctc: object ids: expected 1..65535 (0 is background), found 70000"),
        ("-o movie.tif", "movie.tif: expected an output of its own, found one of the inputs"),
        (f"-o {'n' * 252}.tif", "cannot be written (File name too long)"),
    ],
)
def test_outputs_that_cannot_be_written_are_found_before_the_model(
    folder, quick, capsys, command, sentence
):
    if "TZYX" in command:
        np.save("stacks.npy", PIXELS.reshape(1, 5, 40, 60).repeat(2, 0))
        (folder / "prompts.csv").write_text("object,frame,z,kind,y,x\n1,0,0,point,20,20\n")
        source = "stacks.npy"
    else:
        (folder / "prompts.csv").write_text(PROMPTS.replace("\n2,", "\n70000,"))
        source = "movie.tif"
    before = names(folder)
    assert main(f"track {source} --prompts prompts.csv {command}".split()) != 0
    assert sentence in capsys.readouterr().err
    assert not quick and names(folder) == before


def test_masks_are_kept_elsewhere_if_the_folder_of_the_output_is_full(
    folder, monkeypatch, capsys, tmp_path_factory
):
    sessions = tmp_path_factory.mktemp("sessions")
    monkeypatch.setenv("NAPARI_SAM2_SESSIONS", str(sessions))

    def full(path, *_):
        if path.parent.resolve() == folder.resolve():
            raise OSError(28, "No space left on device")
        write_tracked_session(path, *_)

    monkeypatch.setattr("napari_sam2.cli.jobs.export", lambda *_: full(folder / "o.tif"))
    monkeypatch.setattr("napari_sam2.cli.jobs.write_tracked_session", full)
    assert main("track movie.tif --prompts prompts.csv -o o.tif".split()) == 1
    (kept,) = sessions.iterdir()
    assert f"the masks are kept in {kept}" in capsys.readouterr().err
