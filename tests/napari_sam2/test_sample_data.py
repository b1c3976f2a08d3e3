import numpy as np
import pytest
import skimage
from scipy.ndimage import label

from napari_sam2 import sample_data


@pytest.fixture(scope="module")
def time_lapse():
    return sample_data.dividing_nuclei_with_truth()


@pytest.fixture(scope="module")
def stack():
    return sample_data.embryo_nuclei_with_truth()


def ids(labels):
    return set(np.unique(labels).tolist()) - {0}


def test_two_nuclei_divide(time_lapse):
    movie, labels = time_lapse
    assert movie.shape == labels.shape == (24, 192, 256)
    assert movie.dtype == labels.dtype == np.uint16
    assert ids(labels[0]) == set(range(1, 10))
    assert ids(labels[-1]) == {1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13}
    before, after = labels[6] == 2, np.isin(labels[7], (10, 11))
    middle = np.argwhere(before).mean(0)
    assert np.abs(np.argwhere(after).mean(0) - middle).max() < 4


def test_every_nucleus_is_one_piece_and_brighter_than_its_surroundings(time_lapse):
    movie, labels = time_lapse
    for frame in (0, 6, 7, 15, 23):
        background = np.median(movie[frame][labels[frame] == 0])
        for object_id in ids(labels[frame]):
            mask = labels[frame] == object_id
            assert label(mask)[1] == 1
            assert mask.sum() > 80
            assert movie[frame][mask].mean() > background + 50


def test_nuclei_move_but_not_far_in_a_frame(time_lapse):
    _, labels = time_lapse
    for nucleus, least in ((3, 10), (9, 5)):
        centres = np.array([np.argwhere(frame == nucleus).mean(0) for frame in labels])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert 0 < steps.max() < 8
        assert np.linalg.norm(np.ptp(centres, axis=0)) > least


def test_nuclei_leave_come_and_die():
    movie, labels = sample_data.coming_and_going_nuclei_with_truth(3)
    assert movie.shape == labels.shape == (24, 192, 256)
    rim = np.ones(labels.shape[1:], bool)
    rim[1:-1, 1:-1] = False
    spans = {i: np.flatnonzero((labels == i).any((1, 2))) for i in ids(labels)}
    at_rim = {i: [(labels[f] == i)[rim].any() for f in (s[0], s[-1])] for i, s in spans.items()}
    ended = {i for i, frames in spans.items() if frames[-1] < 23} - {2, 5}  # these divide
    left = {i for i in ended if at_rim[i][1]}
    came = {i for i, frames in spans.items() if frames[0] > 0} - {12, 13, 14, 15}  # daughters
    assert came == {10, 11} and all(at_rim[i][0] for i in came)
    assert left and len(ended - left) == 2
    for dead in ended - left:
        first, last = ((labels[f] == dead) for f in spans[dead][[0, -1]])
        assert last.sum() < first.sum() / 3
        assert movie[spans[dead][-1]][last].mean() < movie[0][first].mean()


def test_nuclei_of_the_embryo_run_through_several_planes(stack):
    pixels, labels = stack
    assert pixels.shape == labels.shape == (24, 160, 224)
    assert pixels.dtype == labels.dtype == np.uint16
    assert len(ids(labels)) == 30
    planes = [np.flatnonzero((labels == i).any((1, 2))) for i in ids(labels)]
    assert all(np.ptp(p) == len(p) - 1 for p in planes)
    assert 3 <= np.median([len(p) for p in planes]) <= 8


def test_the_embryo_is_dimmer_with_depth(stack):
    pixels, labels = stack
    bright = [np.median(pixels[z][labels[z] > 0]) for z in (6, 12, 18)]
    assert bright[0] > bright[2]


@pytest.mark.parametrize("make", [sample_data.dividing_nuclei, sample_data.embryo_nuclei])
def test_a_seed_decides_everything(make):
    assert np.array_equal(make(5), make(5))
    assert not np.array_equal(make(5), make(6))


@pytest.mark.parametrize(
    ("provider", "axis_labels"),
    [
        (sample_data.sample_dividing_nuclei, ("t", "y", "x")),
        (sample_data.sample_embryo_nuclei, ("z", "y", "x")),
    ],
)
def test_napari_gets_calibrated_layers(provider, axis_labels):
    ((pixels, settings, kind),) = provider()
    assert kind == "image"
    assert settings["axis_labels"] == axis_labels
    assert len(settings["scale"]) == len(settings["units"]) == pixels.ndim == 3
    assert settings["scale"][1:] != (1.0, 1.0)


def test_napari_takes_the_layers():
    layers = pytest.importorskip("napari.layers", exc_type=ImportError)
    for provider in (sample_data.sample_dividing_nuclei, sample_data.sample_embryo_nuclei):
        ((pixels, settings, _),) = provider()
        layer = layers.Image(pixels, **settings)
        assert tuple(layer.scale) == settings["scale"]
        assert str(layer.units[-1]) == "micrometer"


def test_the_real_time_lapse_has_a_layer_for_each_channel(monkeypatch):
    pixels = np.arange(15 * 2 * 4 * 5, dtype=np.uint8).reshape(15, 2, 4, 5)
    monkeypatch.setattr(skimage.data, "protein_transport", lambda: pixels)
    layers = sample_data.sample_protein_transport()
    for i, (data, settings, kind) in enumerate(layers):
        np.testing.assert_array_equal(data, pixels[:, i])
        assert (settings["name"], kind) == (f"protein transport {i}", "image")
    assert len(layers) == 2


@pytest.mark.parametrize("error", [OSError(), ModuleNotFoundError()])
def test_the_real_time_lapse_says_in_a_sentence_that_it_cannot_be_fetched(monkeypatch, error):
    def fetch():
        raise error

    monkeypatch.setattr(skimage.data, "protein_transport", fetch)
    with pytest.raises(ConnectionError, match=r"go online, or open a synthetic sample"):
        sample_data.sample_protein_transport()
