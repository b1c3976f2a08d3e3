"""Every form, from a movie with known divisions: other programs' readers find them."""

import csv
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import av
import numpy as np
import pyarrow.parquet
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models.v04.image_label import ImageLabelAttrs
from random_tracks import tracked_movies, tracked_stacks
from roifile import roiread
from skimage.draw import polygon2mask

from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import FORMATS, export, find_format, read_tracked
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks import lineage_operations
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.pictures import nice_length
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

SHAPE = (40, 56)
CALIBRATION = Calibration((0.5, 0.25), "um", None, 60.0, "s")
PARENTS = {2: 1, 3: 1, 4: 3, 5: 3}


@pytest.fixture
def tracked() -> Tracked:
    """Object 1 divides into 2 and 3 in frame 2, 3 into 4 and 5 in frame 4; 9 stays alone."""
    frames = {1: (0, 2), 2: (2, 6), 3: (2, 4), 4: (4, 6), 5: (4, 6), 9: (0, 6)}
    masklets = Masklets(6, SHAPE)
    for number, (object_id, (begin, stop)) in enumerate(frames.items()):
        for frame in range(begin, stop):
            window = np.ones((5, 6 + number), bool)
            window[0, 0] = False
            origin = (6 * number, 3 + 2 * frame)
            masklets.set(object_id, frame, SparseMask.from_window(SHAPE, window, origin))
    lineage = lineage_operations.divide(
        lineage_operations.divide(Lineage(), 1, 2, (2, 3)).lineage, 3, 4, (4, 5)
    ).lineage
    pixels = np.random.default_rng(1).integers(100, 4000, (6, *SHAPE)).astype(np.uint16)
    movie = Movie(pixels, "TYX", calibration=CALIBRATION)
    return Tracked.of(movie, masklets, lineage, {1: "Mother, <first> & only"})


@pytest.mark.parametrize("suffix", [".ctc", ".geff", ".ome.zarr", ".xml", ".json"])
def test_divisions_come_back(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    export(tmp_path / f"x{suffix}", tracked)
    read = read_tracked(tmp_path / f"x{suffix}")
    assert read.lineage.parents == PARENTS and read.tracks == tracked.tracks
    for frame in range(6):
        np.testing.assert_array_equal(read.labels(frame), tracked.labels(frame))
    assert suffix in (".ctc", ".ome.zarr") or read.name(1) == tracked.name(1)
    assert read.calibration.pixel_size_yx == pytest.approx((0.5, 0.25))
    with_movie = read_tracked(tmp_path / f"x{suffix}", tracked.movie)
    assert with_movie.movie is tracked.movie and with_movie.calibration == CALIBRATION


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".ome.zarr"])
def test_label_movies_come_back_calibrated(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    export(tmp_path / f"x{suffix}", tracked)
    movie = read_movie(tmp_path / f"x{suffix}")
    assert movie.calibration.pixel_size_yx == pytest.approx((0.5, 0.25))
    assert movie.calibration.time_interval == 60
    for frame in range(6):
        np.testing.assert_array_equal(movie[frame], tracked.labels(frame))
    assert read_tracked(tmp_path / f"x{suffix}").masklets.object_ids == (1, 2, 3, 4, 5, 9)


def test_ome_zarr_names_the_parents(tracked: Tracked, tmp_path: Path) -> None:
    export(tmp_path / "x.ome.zarr", tracked)
    group = zarr.open_group(tmp_path / "x.ome.zarr", mode="r")
    properties = group.attrs["image-label"]["properties"]
    assert {p["label-value"]: p["parent"] for p in properties if p["parent"]} == PARENTS
    assert group["0"].chunks == (1, *SHAPE)
    read = ImageLabelAttrs.model_validate(group.attrs.asdict())  # by the format's own library
    assert [axis.name for axis in read.multiscales[0].axes] == ["t", "y", "x"]
    (scale,) = read.multiscales[0].datasets[0].coordinateTransformations
    assert scale.scale == pytest.approx([60, 0.5, 0.25])
    assert read.image_label.properties[0].label_value == 1


def test_labels_of_ome_zarr_without_parents_or_with_strange_ones(
    tracked: Tracked, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(tmp_path / "x.ome.zarr", tracked)
    group = zarr.open_group(tmp_path / "x.ome.zarr", mode="r+")
    rows = group.attrs["image-label"]["properties"]
    rows[0]["parent"] = 77
    group.attrs["image-label"] = {"version": "0.4", "properties": [*rows, {"label-value": 400}]}
    assert read_tracked(tmp_path / "x.ome.zarr").lineage.parents == PARENTS
    assert "the parents of the labels [1] are left out" in caplog.text
    for properties in (None, [{"label-value": 1, "parent": [2]}], ["x"]):
        group.attrs["image-label"] = {"version": "0.4", "properties": properties}
        assert read_tracked(tmp_path / "x.ome.zarr").lineage.parents == {}


def test_trackmate_finds_spots_outlines_and_edges(tracked: Tracked, tmp_path: Path) -> None:
    export(tmp_path / "x.xml", tracked)
    root = ElementTree.parse(tmp_path / "x.xml").getroot()
    assert root.find("Model").attrib == {"spatialunits": "micron", "timeunits": "sec"}
    spots = {spot.get("ID"): spot for spot in root.iter("Spot")}
    assert int(root.find("Model/AllSpots").get("nspots")) == len(spots) == 18
    objects = {key: int(spot.get("OBJECT_ID")) for key, spot in spots.items()}
    links = {
        (objects[edge.get("SPOT_SOURCE_ID")], objects[edge.get("SPOT_TARGET_ID")])
        for edge in root.iter("Edge")
    }
    assert {pair for pair in links if pair[0] != pair[1]} == {(m, d) for d, m in PARENTS.items()}
    first = next(spot for spot in spots.values() if spot.get("OBJECT_ID") == "1")
    assert first.get("name") == "Mother, <first> & only"
    ring = np.array(first.text.split(), float).reshape(-1, 2)  # x, y
    assert len(ring) == int(first.get("ROI_N_POINTS")) == 6
    centre = np.array([float(first.get("POSITION_Y")), float(first.get("POSITION_X"))])
    inside = polygon2mask(SHAPE, (ring[:, ::-1] + centre) / (0.5, 0.25))
    np.testing.assert_array_equal(inside, tracked.masklets.get(1, 0).to_dense())
    assert {track.get("NUMBER_SPLITS") for track in root.iter("Track")} == {"2", "0"}


@settings(max_examples=10, deadline=None)
@given(st.one_of(tracked_movies(overlapping=True), tracked_stacks()))
def test_trackmate_has_every_object_at_every_time_and_every_parent(tracked: Tracked) -> None:
    with TemporaryDirectory() as folder:
        export(Path(folder) / "x.xml", tracked)
        root = ElementTree.parse(Path(folder) / "x.xml").getroot()
    places = {
        int(spot.get("ID")): (int(spot.get("OBJECT_ID")), int(spot.get("FRAME")))
        for spot in root.iter("Spot")
    }
    assert sorted(places.values()) == sorted(
        (object_id, time)
        for time in range(tracked.n_times)
        for object_id in tracked.volumes_in(time)
    )
    edges = {
        (places[int(edge.get("SPOT_SOURCE_ID"))], places[int(edge.get("SPOT_TARGET_ID"))])
        for edge in root.iter("Edge")
    }
    parents = {source[0]: target[0] for target, source in edges if source[0] != target[0]}
    assert parents == tracked.tracks.parents
    assert all(source[1] < target[1] for source, target in edges)
    # each object's spots hang together, and each daughter on her mother
    assert len(edges) == len(places) - len(tracked.tracks) + len(parents)


def test_trackmate_places_volumes_in_depth(tmp_path: Path) -> None:
    masklets = Masklets(6, SHAPE)
    for frame in (4, 5):  # planes 1 and 2 of time 1
        masklets.set(3, frame, SparseMask.from_window(SHAPE, np.ones((2, 3)), (10, 20)))
    step = Calibration((0.5, 0.25), "um", 2.0, 60.0)
    export(tmp_path / "x.xml", Tracked(masklets, axes="TZYX", calibration=step, n_planes=3))
    root = ElementTree.parse(tmp_path / "x.xml").getroot()
    (spot,) = root.iter("Spot")
    at = [float(spot.get(f"POSITION_{axis}")) for axis in "TZYX"]
    assert at == [60, 1.5 * 2, 10.5 * 0.5, 21 * 0.25] and spot.text is None
    assert float(spot.get("RADIUS")) ** 3 * 4 / 3 * np.pi == pytest.approx(12 * 2 * 0.5 * 0.25)
    image = root.find("Settings/ImageData")
    assert [image.get(k) for k in ("nslices", "nframes", "voxeldepth")] == ["3", "2", "2.0"]
    export(tmp_path / "y.xml", Tracked(masklets, axes="ZYX", calibration=Calibration((0.5, 0.25))))
    root = ElementTree.parse(tmp_path / "y.xml").getroot()  # how far planes are apart is unknown
    assert root.find("Model").get("spatialunits") == "pixel"
    (spot,) = root.iter("Spot")
    assert [float(spot.get(f"POSITION_{axis}")) for axis in "TZYX"] == [0, 4.5, 10.5, 21]


def test_imagej_finds_each_outline_on_its_frame(tracked: Tracked, tmp_path: Path) -> None:
    export(tmp_path / "x.zip", tracked)
    rois = {roi.name: roi for roi in roiread(tmp_path / "x.zip")}
    assert len(rois) == 18
    roi = rois["0003-0004"]
    assert (roi.t_position, roi.position) == (4, 4)
    inside = polygon2mask(SHAPE, roi.coordinates()[:, ::-1] - 0.5)
    np.testing.assert_array_equal(inside, tracked.masklets.get(3, 3).to_dense())


def test_measurements_are_two_tables(tracked: Tracked, tmp_path: Path) -> None:
    export(tmp_path / "x.csv", tracked)
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert rows[0]["name"] == "Mother, <first> & only" and float(rows[0]["area_um2"]) == 29 / 8
    pixels = tracked.movie[0][tracked.masklets.get(1, 0).to_dense()]
    assert float(rows[0]["mean_intensity"]) == pytest.approx(pixels.mean())
    with open(tmp_path / "x_tracks.csv", newline="", encoding="utf-8") as file:
        tracks = list(csv.DictReader(file))
    assert {int(t["object"]): int(t["parent"]) for t in tracks if t["parent"] != "0"} == PARENTS
    export(tmp_path / "x.parquet", tracked)
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table.num_rows == 18 and "mean_intensity" in table.column_names


def test_the_video_shows_every_frame(tracked: Tracked, tmp_path: Path) -> None:
    export(tmp_path / "x.mp4", tracked)
    with av.open(str(tmp_path / "x.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 6 and frames[0].shape == (680, 952, 3)
    plain = frames[0].astype(int)
    coloured = np.ptp(plain, axis=2) > 80
    assert 200 < coloured.sum() < 20_000  # outlines, and no more
    assert plain[-17:-11, -100:-20].mean() > 200  # the scale bar


@pytest.mark.parametrize(("most", "nice"), [(12.1, 10), (5, 5), (4.9, 2), (0.07, 0.05), (1, 1)])
def test_scale_bars_have_round_lengths(most: float, nice: float) -> None:
    assert nice_length(most) == pytest.approx(nice)


@pytest.mark.parametrize("suffix", [*FORMATS])
def test_what_is_stopped_leaves_nothing(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / f"x{suffix}", tracked, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [*FORMATS])
def test_every_form_tells_how_far_it_is(tracked: Tracked, tmp_path: Path, suffix: str) -> None:
    told: list[tuple[int, int]] = []
    export(tmp_path / f"x{suffix}", tracked, lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, 7)) and {total for _, total in told} == {6}


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr", ".ctc", ".geff"])
def test_movies_of_stacks_come_back(tmp_path: Path, suffix: str) -> None:
    masklets = Masklets(6, SHAPE)
    for frame in (1, 2, 4, 5):  # planes 1, 2 of time 0 and 1, 2 of time 1
        masklets.set(3, frame, SparseMask.from_window(SHAPE, np.ones((2, 3)), (frame, 4)))
    stacks = Tracked(masklets, axes="TZYX", n_planes=3, calibration=Calibration((1, 1), z_step=2))
    export(tmp_path / f"x{suffix}", stacks)
    read = read_tracked(tmp_path / f"x{suffix}")
    assert (read.axes, read.n_planes, read.grid) == ("TZYX", 3, (2, 3))
    assert read.masklets.frames(3) == (1, 2, 4, 5)
    if suffix == ".ctc":
        assert (tmp_path / "x.ctc" / "res_track.txt").read_text() == "3 0 1 0\n"
        assert tifffile.imread(tmp_path / "x.ctc" / "mask001.tif").shape == (3, *SHAPE)


@pytest.mark.parametrize("suffix", [".json", ".mp4"])
def test_forms_that_cannot_hold_movies_of_stacks_say_so(tmp_path: Path, suffix: str) -> None:
    stacks = Tracked(Masklets(6, SHAPE), axes="TZYX", n_planes=3)
    with pytest.raises(ValueError, match="movie of stacks"):
        export(tmp_path / f"x{suffix}", stacks)


def test_what_does_not_fit_is_told(tracked: Tracked, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x\.docx: expected an output that ends in"):
        find_format(tmp_path / "x.docx")
    with pytest.raises(FileNotFoundError, match="found nothing"):
        read_tracked(tmp_path / "x.geff")
    export(tmp_path / "x.ctc", tracked)
    other = Movie(np.zeros((5, *SHAPE), np.uint8))
    with pytest.raises(ValueError, match="the movie's 5 frames of 40 x 56, found 6"):
        read_tracked(tmp_path / "x.ctc", other)


@pytest.mark.parametrize(("suffix", "package"), [(".geff", "geff"), (".json", "pycocotools")])
def test_a_missing_library_is_named(
    tracked: Tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
) -> None:
    def missing(name: str) -> Callable[[], None]:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("napari_sam2.io.optional.import_module", missing)
    with pytest.raises(ImportError, match=f'pip install "{package}"'):
        export(tmp_path / f"x{suffix}", tracked)
