"""Which key does what: one table, and what the user put in place of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from napari_sam2.widgets.controls.preferences import written_keys


class Where(Enum):
    """Where a key works; in a few words, for the list of keys."""

    ANYWHERE = "In the canvas and in this dock"
    PROMPTS = "While clicks or boxes are active"
    TRACKS = "In the canvas, while no boxes are active"


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Parameters
    ----------
    action
        By which name it is bound, and is called in the settings.
    name
        As napari writes it.
    does
        What it does, in a few words.
    where
        Where it works.
    is_fixed
        Whether it is bound elsewhere, or everywhere the same, and cannot be chosen.
    """

    action: str
    name: str
    does: str
    where: Where = Where.ANYWHERE
    is_fixed: bool = False

    @property
    def shown(self) -> str:
        """As it is written on keyboards, and for Qt."""
        return {"Shift-/": "?"}.get(self.name, self.name.replace("Control", "Ctrl")).replace(
            "-", "+"
        )


KEYS = (
    Key("new_object", "N", "new object", Where.PROMPTS),
    Key("new_label", "M", "new object, in a result layer to paint it", Where.PROMPTS, True),
    Key("switch_label", "T", "next click: positive or negative", Where.PROMPTS),
    Key("alternative", "Tab", "of a first click: whole, part, sub-part", Where.PROMPTS, True),
    Key("delete", "Delete", "delete the selected clicks or boxes", Where.PROMPTS, True),
    Key("undo", "Control-Z", "undo", is_fixed=True),
    Key("redo", "Control-Shift-Z", "redo", is_fixed=True),
    Key("pick", "K", "select the object under the mouse"),
    Key("go_to_current", "G", "go to the current object"),
    Key("show_or_hide", "H", "hide or show the current object"),
    Key("lock_frame", "U", "lock or unlock it in this frame"),
    Key("next_low", "J", "go to the next mask with low confidence"),
    Key("previous_low", "Shift-J", "go to the previous mask with low confidence"),
    Key("propagate", "Q", "propagate; then pause, resume"),
    Key("accept_review", "W", "review: accept, next", Where.TRACKS),
    Key("reject_review", "Shift-W", "review: reject, next", Where.TRACKS),
    Key("fix_review", "Shift-F", "review: correct it with clicks", Where.TRACKS),
    Key("divide", "D", "the current object divides here", Where.TRACKS, True),
    Key("explain", "Shift-/", "list the keys"),
)


def chosen_keys() -> tuple[Key, ...]:
    """Give the keys as the user chose them in the settings, in the order of the table."""
    return with_written(written_keys())


def key_of(action: str) -> str:
    """Give the key of an action, as napari writes it."""
    return next(key.name for key in chosen_keys() if key.action == action)


def with_written(written: Mapping[str, str]) -> tuple[Key, ...]:
    """Replace default keys by those that the user wrote.

    Parameters
    ----------
    written
        By action; in napari's notation (Shift-J) or Qt's (Shift+J).

    Returns
    -------
    The whole table. Where something is written that is no key, or one that another action has,
    the usual key stays.
    """
    usual = {key.action: key.name for key in KEYS}
    free = [key.action for key in KEYS if not key.is_fixed]
    names = usual | {i: _chord(written[i]) or usual[i] for i in free if i in written}
    while clashing := [i for i in free if names[i] != usual[i] and _has_twin(i, names)]:
        names |= {i: usual[i] for i in clashing}
    return tuple(replace(key, name=names[key.action]) for key in KEYS)


def _has_twin(action: str, names: Mapping[str, str]) -> bool:
    return sum(_chord(name) == _chord(names[action]) for name in names.values()) > 1


def _chord(name: str) -> str:
    """Write a key always in the same way, as napari does; empty if it is none."""
    from app_model.types import KeyCode
    from napari.utils.key_bindings import coerce_keybinding

    parts = coerce_keybinding(name.strip().replace("+", "-")).parts if name.strip() else []
    if len(parts) != 1 or parts[0].key == KeyCode.UNKNOWN:
        return ""
    return str(parts[0]).replace("+", "-").replace("Ctrl", "Control")
