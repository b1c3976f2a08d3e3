import json
import re
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from sam2_torch import CELLS_NANO, RELEASED, SAM2
from sam2_torch.models import registry
from sam2_torch.models.model_cache import verify
from sam2_torch.models.model_entry import NAMED_CONFIGS, RegistryError, parse_entry
from sam2_torch.models.registry import (
    UnknownModelError,
    find_model,
    make_registry_file,
    read_registry,
    registry_file,
)

SHA256 = "0123456789abcdef" * 4
GOOD = '[models.good]\nurl = "https://example.org/good.pt"\n'


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "models.toml"
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(path))
    return path


def test_built_in_models_are_all_there():
    entries = read_registry().entries
    assert next(iter(entries)) == "cells_nano" and [*entries][-8:] == [*RELEASED]
    assert all(entry.images for entry in entries.values())
    assert entries["cells_nano"].path.is_file()
    for name, config in RELEASED.items():
        entry = entries[name]
        assert entry.config == config and entry.licence == "Apache-2.0"
        assert entry.files == (f"{name}.pt", "model.safetensors")
        assert (entry.sha256 is not None) == (config.version == "2.1")
    assert entries["sam2.1_hiera_base_plus"].repo == "facebook/sam2.1-hiera-base-plus"
    assert entries["sam2_hiera_tiny"].repo == "facebook/sam2-hiera-tiny"


def test_embedded_file_is_the_one_that_the_registry_means():
    result = verify(find_model("cells_nano"))
    assert result.is_intact, f"write sha256 {result.sha256} into registry.py if it is a new one"


@pytest.mark.parametrize("name", NAMED_CONFIGS)
def test_parameters_are_those_of_the_networks(name):
    import torch

    with torch.device("meta"):
        model = SAM2(NAMED_CONFIGS[name])
    entry = find_model(name)
    assert entry.parameters == sum(p.numel() for p in model.parameters())


def test_file_of_the_user(file):
    file.write_text(
        f"""
        [models.yeast-1]
        description = "budding yeast"
        url = "https://example.org/files/yeast.safetensors?download=1"
        sha256 = "{SHA256.upper()}"
        licence = "CC-BY-4.0"
        config = "cells_nano"

        [models.med]
        repo = "lab/med"
        file = "weights/med.pt"
        config = {{ base = "sam2.1_hiera_tiny", image_size = 512 }}

        [models.here]
        path = "weights/here.pt"
        """
    )
    entries, problems = read_registry()
    assert problems == ()
    yeast, med, here = (entries[name] for name in ("yeast-1", "med", "here"))
    assert yeast.sha256 == SHA256 and yeast.config == CELLS_NANO and yeast.licence == "CC-BY-4.0"
    assert yeast.origin == str(file)
    assert med.repo == "lab/med" and med.files == ("weights/med.pt",)
    assert (
        med.config.image_size == 512
        and med.parameters == find_model("sam2.1_hiera_tiny").parameters
    )
    assert here.path == file.parent / "weights/here.pt" and here.parameters is None


def test_json_will_do(file, monkeypatch):
    path = file.with_suffix(".json")
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(path))
    path.write_text(json.dumps({"models": {"good": {"url": "https://example.org/good.pt"}}}))
    assert find_model("good").url == "https://example.org/good.pt"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "expected one of path, repo .with file. and url, found none"),
        ('url = "http://a.org/b.pt"\npath = "b.pt"', "found path and url"),
        ('repo = "lab/net"', "expected repo and file together"),
        ('path = "b.pt"\nfile = "b.pt"', "expected repo and file together"),
        ('repo = "lab"\nfile = "b.pt"', "key 'repo': expected owner/name .* found 'lab'"),
        ('repo = "lab/net"\nfile = "../b.pt"', "key 'file': expected the name of a file"),
        ('url = "ftp://a.org/b.pt"', r"key 'url': expected an http\(s\) address"),
        ('url = "http://[bad/b.pt"', "key 'url'"),
        ('url = "http://a.org/b.pt"', "key 'url': expected https, or sha256 beside it"),
        ('url = "http://a.org:port/b.pt"', "key 'url'"),
        ('url = "https://a.org/"', "key 'url'"),
        ('url = "http://a.org/b.pt"\nsha256 = "abc"', "'sha256': expected 64 hexadecimal digits"),
        ('url = "http://a.org/b.pt"\nlicense = "MIT"', "expected the keys url, .*licence.*license"),
        ('url = "http://a.org/b.pt"\nlicence = 3', "key 'licence': expected text, found 3"),
        ('path = "b.pt"\nconfig = "sam3"', "'config': expected one of sam2.*found 'sam3'"),
        (
            'path = "b.pt"\nconfig = {size = 3}',
            r"key config: expected the keys of SAM2Config, found .'size'",
        ),
        (
            'path = "b.pt"\nconfig = {image_size = "big"}',
            "image_size to be a whole number in 1..2048, found big",
        ),
        ('path = "b.pt"\nconfig = {image_size = -8}', "a whole number in 1..2048, found -8"),
        (
            'path = "b.pt"\nconfig = {stages = [1, "a"]}',
            r"stages to be whole numbers in 1..128, found \[1, 'a'\]",
        ),
        ('path = "b.pt"\nconfig = {version = "3"}', "version to be 2.0 or 2.1, found 3"),
        ('path = "b.pt"\nconfig = {keep_aspect = 1}', "keep_aspect to be true or false, found 1"),
    ],
)
def test_bad_entry_is_one_sentence_and_hides_no_other(file, lines, sentence):
    file.write_text(f"[models.bad]\n{lines}\n{GOOD}")
    entries, (problem,) = read_registry()
    assert "good" in entries and "cells_nano" in entries and "bad" not in entries
    assert problem.startswith(f"{file}: model 'bad'")
    with pytest.raises(RegistryError, match=sentence):
        raise RegistryError(problem)
    with pytest.raises(UnknownModelError, match=sentence):
        find_model("bad")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("models = [", "expected a readable TOML or JSON file"),
        ("\xff", "expected a readable TOML or JSON file"),
        ("[model.x]", "expected the key 'models' alone.* found model"),
        ("", "found nothing"),
        ("models = 3", "expected a table of models by name, found 3"),
        ("[models]\nx = 3", "model 'x': expected a table of keys, found 3"),
        ('[models."../x"]\npath = "x.pt"', "expected a name of letters"),
        ('[models.cells_nano]\npath = "x.pt"', r"expected a new name, .* taken \(embedded\)"),
    ],
)
def test_bad_file_is_one_sentence(file, content, sentence):
    file.write_bytes(content.encode("latin-1"))
    entries, (problem,) = read_registry()
    assert {entry.origin for entry in entries.values()} == {"embedded", "released"}
    assert str(file) in problem
    with pytest.raises(RegistryError, match=sentence):
        raise RegistryError(problem)


def test_file_that_was_named_must_be_there(file):
    assert "found: " in read_registry().problems[0]


def test_default_file_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("NAPARI_SAM2_MODELS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert registry_file().name == "models.toml"
    assert registry_file().parent.name == "napari-sam2"
    assert read_registry().problems == ()


def entry_point(name, content, monkeypatch):
    """Install a package whose module has `content`, for as long as the test runs."""
    module = ModuleType(f"a_package_{name}")
    module.content = content
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return EntryPoint(name, f"{module.__name__}:content", registry.ENTRY_POINTS)


def test_entry_points_of_installed_packages(monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_MODELS", "")

    def fail():
        raise ZeroDivisionError("oops")

    points = [
        entry_point("table", {"a": {"path": "/data/a.pt"}}, monkeypatch),
        entry_point("call", lambda: {"b": {"path": "/data/b.pt"}, "c": {}}, monkeypatch),
        entry_point("broken", fail, monkeypatch),
        EntryPoint("gone", "no_such_package:models", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points))
    entries, problems = read_registry()
    assert {"a", "b"} <= entries.keys()
    assert [problem.split(": ")[-1] for problem in problems] == [
        "expected one of path, repo (with file) and url, found none",
        "oops",
        "No module named 'no_such_package'",
    ]
    assert "ZeroDivisionError" in problems[1] and "(entry point broken)" in problems[1]


def test_sizes_replace_those_of_their_base():
    values = {"path": "x.pt", "config": {"base": "cells_nano", "stages": [1, 2, 3, 4]}}
    config = parse_entry("x", values, "here").config
    assert config.stages == (1, 2, 3, 4) and config.d_model == CELLS_NANO.d_model


@pytest.mark.parametrize("name", ["models.toml", "models.json"])
def test_a_new_registry_file_is_readable_and_an_old_one_stays(file, monkeypatch, name):
    path = file.with_name("new") / name
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(path))
    assert make_registry_file() == path and [p.name for p in path.parent.iterdir()] == [name]
    assert read_registry().problems == ()
    if path.suffix == ".toml":  # the examples are right once their signs are taken away
        lines = path.read_text().replace(
            "64 hexadecimal digits: sha256sum yeast.safetensors", SHA256
        )
        path.write_text(re.sub(r"^# (?=\[|\w+ = )", "", lines, flags=re.MULTILINE))
        entries, problems = read_registry()
        assert problems == () and {"yeast_2026", "organoids", "scratch"} < set(entries)
    path.write_text("mine")
    make_registry_file()
    assert path.read_text() == "mine"
