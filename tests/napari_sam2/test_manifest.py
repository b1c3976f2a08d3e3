"""What npe2 does not check: menus that do not exist, and commands that nobody made."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

import napari_sam2

MANIFEST = Path(napari_sam2.__file__).parent / "napari.yaml"
CONTRIBUTIONS = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]
COMMANDS = {command["id"]: command["python_name"] for command in CONTRIBUTIONS["commands"]}


def contributable_menus():
    from napari._app_model.constants import MenuId

    return {menu.value for menu in MenuId if menu.contributables and menu in menu.contributables()}


def test_menus_are_napari_s():
    known = contributable_menus()
    assert set(CONTRIBUTIONS["menus"]) <= known, "napari drops other menus without a word"
    assert {"napari/layers/segment", "napari/layers/track"} <= set(CONTRIBUTIONS["menus"])


def test_everything_names_a_command_that_exists():
    named = [entry["command"] for entry in CONTRIBUTIONS["widgets"] + CONTRIBUTIONS["sample_data"]]
    named += [entry["command"] for menu in CONTRIBUTIONS["menus"].values() for entry in menu]
    named += [reader["command"] for reader in CONTRIBUTIONS.get("readers", ())]
    assert set(named) == set(COMMANDS)


@pytest.mark.parametrize("python_name", COMMANDS.values())
def test_commands_can_be_imported(python_name):
    module, name = python_name.split(":")
    assert callable(getattr(import_module(module), name))


def test_only_contributions_that_npe2_knows():
    from npe2.manifest.contributions import ContributionPoints

    assert set(CONTRIBUTIONS) <= set(ContributionPoints.model_fields)


def test_the_name_is_the_distribution_s():
    assert yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["name"] == "napari-sam2"
