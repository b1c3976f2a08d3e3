"""Names over an image: napari draws each character once, for which the window does not wait."""

import numpy as np
import pytest

from napari_sam2.layers.viewer.scene_overlay import TALL, Name, SceneOverlay

WHITE = (1.0, 1.0, 1.0, 1.0)


@pytest.fixture
def overlay(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros((40, 60), np.uint8))
    qtbot.waitUntil(viewer.window._qt_viewer.canvas.native.isValid)
    turns = []
    overlay = SceneOverlay(viewer, image, turns.append)
    yield viewer, overlay, turns
    overlay.close()


def is_drawn(viewer):
    return viewer.screenshot(flash=False)[..., :3].max() > 200


def test_each_turn_draws_one_character_and_the_name_appears_after_the_last(overlay):
    viewer, scene, turns = overlay
    name = Name("Object 1", (20, 30), WHITE)
    scene.show(names=[name])
    n_turns = 0
    while turns:
        assert len(turns) == 1
        assert n_turns > 2 or not is_drawn(viewer)
        turns.pop()()
        n_turns += 1
    assert is_drawn(viewer)
    assert n_turns == len({*TALL, *name.text})
    scene.show(names=[name._replace(text="tcejbO")])  # nothing new
    assert not turns
    scene.show()
    assert not is_drawn(viewer)


def test_names_that_are_replaced_while_characters_are_drawn_do_not_appear(overlay):
    viewer, scene, turns = overlay
    scene.show(names=[Name("Object 1", (20, 30), WHITE)])
    scene.show()
    assert len(turns) == 1
    turns.pop()()
    assert not turns
    assert not is_drawn(viewer)


def test_a_closed_overlay_draws_no_more_characters(overlay):
    _, scene, turns = overlay
    scene.show(names=[Name("Object 1", (20, 30), WHITE)])
    scene.close()
    turns.pop()()
    assert not turns
