"""`tools/gpu_run.sh`: what it does where there is no GPU."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "gpu_run.sh"


def run(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    places = {"OUT": str(tmp_path / "out"), "GPU_WORK": str(tmp_path / "work")}
    return subprocess.run(
        [
            "env",
            *(f"{k}={v}" for k, v in places.items()),
            f"PYTHON={sys.executable}",
            SCRIPT,
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_dry_run_trains_and_leaves_pieces_that_travel(tmp_path):
    done = run(tmp_path, "--dry-run", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {"config.json", "log.csv", "logs.tar.gz"} <= set(names)
    pieces = [name for name in names if ".piece" in name]
    assert len(pieces) == 3 and len(names) <= 8
    assert all(path.stat().st_size < 16 << 20 for path in (tmp_path / "out").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_an_unknown_part_is_a_sentence(tmp_path):
    done = run(tmp_path, "fest")
    assert (
        done.returncode == 2 and "expected pack, correct, fast or train, found fest" in done.stderr
    )
