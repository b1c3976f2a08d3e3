"""What the parity tests share: modules beside them and the benchmarks' (no packages); fixtures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

MODULES = ("sam2.sam2_video_predictor", "transformers.models.sam2_video.modeling_sam2_video")


@pytest.fixture(autouse=True)
def few_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run small networks in one thread: their operations are too short to share."""
    before = torch.get_num_threads()
    if not request.node.get_closest_marker("slow"):
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def exact_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep memories in float32 in our sessions and in what is imported of the references."""
    from reference import TorchWithoutBfloat16

    for module in MODULES:
        if module in sys.modules:
            monkeypatch.setattr(f"{module}.torch", TorchWithoutBfloat16("torch"))
    monkeypatch.setattr("sam2_torch.runtime.inference_steps.MEMORY_DTYPE", torch.float32)
