"""Identifiers use the words of the field: see the table of words in CONTRIBUTING.md."""

import importlib.util
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]


def _structure():
    spec = importlib.util.spec_from_file_location("structure", REPO / "tools" / "structure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


structure = _structure()
FOLDERS = sorted(
    {
        path.relative_to(REPO).parent.as_posix()
        for path in structure.source_files(structure.PACKAGES)
    }
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_identifier_contains_a_forbidden_word(folder):
    found = [
        f"{path.name}:{line} {name}"
        for path in sorted((REPO / folder).glob("*.py"))
        for name, line in structure.forbidden_identifiers(path)
    ]
    assert not found


def test_identifiers_are_split_into_words(tmp_path):
    assert structure.words_of("_saidByUser_2nd HTTPServer") == [
        "said", "by", "user", "nd", "http", "server",
    ]  # fmt: skip
    path = tmp_path / "example.py"
    path.write_text("def essay(pencil, told):\n    is_said = pencil\n    return is_said\n")
    assert structure.forbidden_identifiers(path) == [("told", 1), ("is_said", 2)]
