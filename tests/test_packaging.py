"""The distribution: both import packages are in the wheel and napari finds the manifest."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sam2

REPO = Path(__file__).parents[1]


def run_python(code: str, cwd: Path | None = None) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be released, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=REPO, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_manifest_is_found_and_its_commands_import():
    manifest = PluginManifest.from_distribution("napari-sam2")
    manifest.validate_imports()
    assert manifest.package_version == napari_sam2.__version__


def test_root_manifest_links_to_the_packaged_one():
    link, target = REPO / "napari.yaml", "src/napari_sam2/napari.yaml"
    # a clone without symbolic links (Windows) holds the target's path as text
    assert link.resolve() == (REPO / target).resolve() or link.read_text().strip() == target


def test_model_folder_holds_one_package_only():
    found = {path.name for path in (REPO / "model").iterdir() if path.name != "__pycache__"}
    assert found <= {"sam2_torch", "README.md"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("sam2_torch", "napari qtpy magicgui superqt torch"),
        (
            "sam2_torch.prompts, sam2_torch.predictions, sam2_torch.masks",
            "napari qtpy magicgui superqt torch",
        ),
        ("napari_sam2", "napari qtpy magicgui superqt torch"),
        ("napari_sam2.cli, napari_sam2.api.verbs", "napari qtpy magicgui superqt torch"),
    ],
)
def test_import_is_cheap(module, unwanted):
    run_python(
        f"import sys, {module}\n"
        f"loaded = set({unwanted.split()}) & set(sys.modules)\n"
        "assert not loaded, loaded"
    )


def test_wheel_holds_packages_weights_and_manifest(wheel):
    for name in (
        "napari_sam2/__init__.py",
        "napari_sam2/napari.yaml",
        "napari_sam2/py.typed",
        "sam2_torch/__init__.py",
        "sam2_torch/py.typed",
        "sam2_torch/weights/cells_nano.safetensors",
        "sam2_torch/weights/ATTRIBUTION.md",
    ):
        assert (wheel / name).is_file(), f"{name} is not in the wheel"
    top = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"napari_sam2", "sam2_torch"}
    assert list(wheel.glob("*.dist-info/licenses/LICENSE"))


def test_wheel_works_by_itself(wheel, tmp_path):
    """Both packages load from the wheel, and the model finds its weights there."""
    run_python(
        f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
        "import napari_sam2, sam2_torch\n"
        f"assert all(m.__file__.startswith({str(wheel)!r}) for m in (napari_sam2, sam2_torch))\n"
        "assert sam2_torch.load_sam2('cells_nano', device='cpu') is not None",
        cwd=tmp_path,
    )


def test_wheel_asks_for_no_napari_and_no_qt_binding(wheel):
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    lines = metadata.read_text().splitlines()
    required = [line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist")]
    hard = [line.lower() for line in required if "extra ==" not in line]
    assert not [line for line in hard if line.startswith(("napari", "pyqt5", "pyqt6", "pyside"))]
    assert any(line.startswith("napari[all]") for line in required)
