"""Objects by id."""

import pytest

from napari_sam2.annotation.objects import ObjectRecord, Objects


def test_an_id_is_never_given_twice():
    objects = Objects()
    assert [objects.new(), objects.new("mother")] == [1, 2]
    objects.remove(2)
    assert objects.new() == 3
    assert objects.ids == (1, 3) and 3 in objects and 2 not in objects
    objects.include(7)
    assert objects.new() == 8
    assert objects.name(7) == "Object 7"


def test_names():
    objects = Objects()
    objects.rename(objects.new("mother"), "daughter")
    assert objects.name(1) == "daughter"
    with pytest.raises(KeyError, match=r"object 2 is not there; the objects are \[1\]"):
        objects.name(2)


def test_locked_ids():
    objects = Objects()
    for object_id in (3, 1, 2):
        objects.set(object_id, ObjectRecord("", is_locked=object_id != 2))
    assert objects.locked_ids == (1, 3)
