"""What the inputs of a command stand for."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_sam2.batch.items import find_items
from napari_sam2.batch.jobs import plan_jobs
from napari_sam2.io.read import read_movie


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.tif", "b.tif", "a.csv"):
        Path(name).write_text("")
    return tmp_path


def write_image(group, value):
    axes = [{"name": name, "type": "space"} for name in "yx"]
    datasets = [{"path": "0"}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    group.create_array("0", data=np.full((5, 7), value, np.uint16))


@pytest.fixture
def plate(folder):
    """Two wells, the second one with two fields."""
    root = zarr.open_group("plate.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/12"}]}
    for well, fields in (("A/1", "0"), ("B/12", "01")):
        group = root.create_group(well)
        group.attrs["well"] = {"images": [{"path": field} for field in fields]}
        for field in fields:
            write_image(group.create_group(field), 10 * len(well) + int(field))
    return root


def test_each_field_of_a_plate_is_an_item(plate):
    items = find_items("plate.zarr", every_position=False)
    assert [item.name for item in items] == ["plate_A_1_0", "plate_B_12_0", "plate_B_12_1"]
    assert [read_movie(item.source)[0].max() for item in items] == [30, 40, 41]


def test_a_plate_without_one_of_its_wells_is_told(plate):
    del plate["B"]
    with pytest.raises(ValueError, match="expected the well B/12 that the plate names, found none"):
        find_items("plate.zarr")


def test_images_of_a_store_are_items_where_there_can_be_several_outputs(folder):
    root = zarr.open_group("scenes.zarr", mode="w", zarr_format=2)
    for number in ("0", "1", "10"):
        write_image(root.create_group(number), int(number))
    jobs = plan_jobs(["scenes.zarr"], None, ["out/"])
    assert [str(job.outputs[0]) for job in jobs] == [
        str(Path(f"out/scenes_{number}.tif")) for number in (0, 1, 10)
    ]
    (job,) = plan_jobs(["scenes.zarr"], None, ["first.tif"])
    assert job.source == Path("scenes.zarr")


def test_a_job_table_gives_each_item_its_own(folder):
    table = folder / "sub" / "jobs.csv"
    table.parent.mkdir()
    table.write_text(
        "input,prompts,channel,model,outputs\n"
        "../a.tif,../a.csv,1,,\n"
        '../b.tif,,"2,0",sam2.1_hiera_tiny,x/{name}.geff; x/b.csv\n'
    )
    first, second = plan_jobs([str(table)], "a.csv", ["out"], formats=("csv", "ome.zarr"))
    assert [path.name for path in first.outputs] == ["a.csv", "a.ome.zarr"]
    assert first.options == {"channel": 1} and first.prompts == table.parent / "../a.csv"
    assert second.outputs == (table.parent / "x/b.geff", table.parent / "x/b.csv")
    assert second.options == {"channel": (2, 0), "model": "sam2.1_hiera_tiny"}
    assert second.prompts == Path("a.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found nothing"),
        ("input,modle\na.tif,x\n", r"columns input, prompts, .* found input, modle"),
        ("prompts\na.csv\n", "input at least"),
        ("input\n", "a row for each item, found none"),
        ("input\nc.tif\n", "line 2: expected an input that exists, found c.tif"),
        ("input,channel\na.tif,x\n", "expected a channel"),
    ],
)
def test_a_wrong_job_table_is_told(text, message):
    Path("jobs.csv").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        find_items("jobs.csv")


def test_formats_and_names():
    jobs = plan_jobs(["*.tif"], None, ["o/{name}_cells.geff", "o/{name}.csv"])
    assert [path.as_posix() for path in jobs[1].outputs] == ["o/b_cells.geff", "o/b.csv"]
    (job,) = plan_jobs(["a.tif"], None, ["o/{name}"], formats=("csv", "tif"))
    assert [path.name for path in job.outputs] == ["a.csv", "a.tif"]
    with pytest.raises(ValueError, match=r"expected one folder, or files with \{name\}"):
        plan_jobs(["*.tif"], None, ["x.csv", "y.csv"])


def test_a_job_is_finished_when_all_its_outputs_are_there():
    Path("out").mkdir()
    Path("out/a.csv").write_text("object,name,")
    (job,) = plan_jobs(["a.tif"], None, ["out"], formats=("csv", "tif"))
    assert not job.finished
    Path("out/a.tif").write_text("done")
    (job,) = plan_jobs(["a.tif"], None, ["out"], formats=("csv", "tif"))
    assert job.finished and job.log == Path("out/logs/a.csv.log")
