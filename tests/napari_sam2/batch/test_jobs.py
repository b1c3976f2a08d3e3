from pathlib import Path

import pytest

from napari_sam2.batch.jobs import plan_jobs
from napari_sam2.io.outputs import SIGNATURE


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with inputs and prompts, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("m2.tif", "m10.tif", "all.csv", "x.ome.tif", "p/m2.csv", "p/m10.tif", "q/m2.tif"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    Path("frames").mkdir()
    return tmp_path


def planned(inputs, prompts, output):
    jobs = plan_jobs(inputs, prompts, [output])
    return [(str(job.source), str(job.prompts), str(job.outputs[0])) for job in jobs]


def test_one_file():
    assert planned(["m2.tif"], "all.csv", "out.tif") == [("m2.tif", "all.csv", "out.tif")]


def test_a_file_of_others_is_replaced_only_if_that_is_asked_for():
    Path("out.tif").write_text("raw data")
    with pytest.raises(FileExistsError, match=r"out\.tif: expected nothing, or a file that"):
        plan_jobs(["m2.tif"], "all.csv", ["out.tif"])
    assert not plan_jobs(["m2.tif"], "all.csv", ["out.tif"], overwrite=True)[0].finished
    Path("out.tif").write_text(SIGNATURE)
    assert not plan_jobs(["m2.tif"], "all.csv", ["out.tif"])[0].finished


def test_a_pattern_is_in_natural_order():
    assert planned(["m*.tif"], "all.csv", "out") == [
        ("m2.tif", "all.csv", str(Path("out/m2.tif"))),
        ("m10.tif", "all.csv", str(Path("out/m10.tif"))),
    ]


def test_prompts_of_each_stem():
    assert [prompts for _, prompts, _ in planned(["m2.tif", "m10.tif"], "p", "out")] == [
        str(Path("p/m2.csv")),
        str(Path("p/m10.tif")),
    ]


@pytest.mark.parametrize("name", ["movie.ome.zarr", "no_suffix", "masks.ctc"])
def test_a_folder_that_is_one_dataset_is_taken_as_it_is(name):
    Path(name).mkdir()
    if name != "masks.ctc":
        Path(name, ".zattrs").write_text("{}")
    assert planned(["m2.tif"], name, "out.tif") == [("m2.tif", name, "out.tif")]


def test_a_folder_of_frames_belongs_to_one_input_and_other_kinds_are_found_by_name():
    Path("q/m3.tif").write_text("")
    assert planned(["x.ome.tif"], "q", "out.tif") == [("x.ome.tif", "q", "out.tif")]
    with pytest.raises(FileNotFoundError, match=r"expected prompts q.m10\.csv"):
        plan_jobs(["m2.tif", "m10.tif"], "q", ["out"])
    Path("q/m10.ome.zarr").mkdir()
    found = [movie for _, movie, _ in planned(["m2.tif", "m10.tif"], "q", "out")]
    assert found == [str(Path("q/m2.tif")), str(Path("q/m10.ome.zarr"))]


def test_stems_of_ome_tiffs_and_folders():
    found = [output for *_, output in planned(["x.ome.tif", "frames"], "all.csv", "out")]
    assert found == [str(Path("out/x.tif")), str(Path("out/frames.tif"))]


@pytest.mark.parametrize("output", ["made", "new/"])
def test_one_file_into_a_folder(output):
    Path("made").mkdir()
    ((*_, path),) = planned(["m2.tif"], "all.csv", output)
    assert Path(path) == Path(output) / "m2.tif"


def test_finished_outputs_are_marked():
    Path("out").mkdir()
    Path("out/m10.tif").write_text("done")
    jobs = plan_jobs(["m*.tif"], "all.csv", ["out"])
    assert [job.finished for job in jobs] == [False, True]
    jobs = plan_jobs(["m*.tif"], "all.csv", ["out"], overwrite=True)
    assert [job.finished for job in jobs] == [False, False]


def test_a_name_with_brackets_is_a_file():
    Path("a[1].tif").write_text("")
    assert planned(["a[1].tif"], "all.csv", "o.tif") == [("a[1].tif", "all.csv", "o.tif")]


@pytest.mark.parametrize(
    ("inputs", "prompts", "output", "message"),
    [
        (["no.tif"], "all.csv", "o.tif", "no.tif: expected a file or a folder of images, found"),
        (["n*.tif"], "all.csv", "o", r"n\*.tif: expected a pattern of files, found nothing"),
        (["m2.tif"], "no.csv", "o.tif", "no.csv: expected prompts, found nothing"),
        (["x.ome.tif"], "p", "o.tif", r"expected prompts p.x\.csv or with one of \.tif"),
        (["m2.tif"], "all.csv", "o.xyz", r"o\.xyz: expected an output that ends in \.tif"),
        (["m2.tif"], "all.csv", "no/o.tif", "expected a folder to write to, found no no"),
        (["m*.tif"], "all.csv", "o.tif", r"o\.tif: expected a folder for the outputs of several"),
        (["m*.tif"], "all.csv", "all.csv", "expected a folder for the outputs of several"),
        (["m2.tif", "q/m2.tif"], "all.csv", "o", "expected inputs with different names"),
        (["m2.tif"], "all.csv", "m2.tif", r"m2\.tif: expected an output of its own"),
        (["m*.tif"], "all.csv", ".", "expected an output of its own, found one of the inputs"),
        (["jobs.csv"], "all.csv", "jobs.csv", r"jobs\.csv: expected an output of its own"),
    ],
)
def test_what_does_not_fit_is_said(inputs, prompts, output, message):
    Path("jobs.csv").write_text("input\nm2.tif\n")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        plan_jobs(inputs, prompts, [output])


def test_an_output_within_another_is_refused():
    with pytest.raises(ValueError, match=r"a.ctc.b\.tif: expected outputs beside each other"):
        Path("a.ctc").mkdir()
        plan_jobs(["m2.tif"], "all.csv", ["a.ctc", "a.ctc/b.tif"])
