"""SAM 2 in PyTorch: promptable segmentation of images, movies and stacks.

The names below are the public surface. They are imported on first use, so that
the numpy-only parts (prompts, predictions) cost no `import torch`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_torch.automatic import (
        AutomaticMask,
        Everything,
        EverythingOptions,
        ObjectRules,
        SeedGrid,
        Thresholds,
        segment_everything,
    )
    from sam2_torch.checkpoints.loading import load_model, load_sam2, save_checkpoint
    from sam2_torch.config import CELLS_NANO, RELEASED, SAM2Config
    from sam2_torch.embeddings.disk_store import EmbeddingStore
    from sam2_torch.masks import SparseMask
    from sam2_torch.predictions import FrameResult, MaskPrediction
    from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
    from sam2_torch.sam2 import SAM2
    from sam2_torch.sessions.image_session import ImageSession
    from sam2_torch.sessions.video_session import Depth, VideoSession

_HOME = {
    "EmbeddingStore": "embeddings.disk_store",
    "AutomaticMask": "automatic",
    "Thresholds": "automatic",
    "Everything": "automatic",
    "EverythingOptions": "automatic",
    "ObjectRules": "automatic",
    "SeedGrid": "automatic",
    "segment_everything": "automatic",
    "load_model": "checkpoints.loading",
    "load_sam2": "checkpoints.loading",
    "save_checkpoint": "checkpoints.loading",
    "CELLS_NANO": "config",
    "RELEASED": "config",
    "SAM2Config": "config",
    "ImageSession": "sessions.image_session",
    "FrameResult": "predictions",
    "MaskPrediction": "predictions",
    "SparseMask": "masks",
    "BoxPrompt": "prompts",
    "MaskPrompt": "prompts",
    "PointPrompt": "prompts",
    "Prompt": "prompts",
    "SAM2": "sam2",
    "Depth": "sessions.video_session",
    "VideoSession": "sessions.video_session",
}

__all__ = [
    "CELLS_NANO",
    "RELEASED",
    "SAM2",
    "AutomaticMask",
    "BoxPrompt",
    "Depth",
    "EmbeddingStore",
    "Everything",
    "EverythingOptions",
    "FrameResult",
    "ImageSession",
    "MaskPrediction",
    "MaskPrompt",
    "ObjectRules",
    "PointPrompt",
    "Prompt",
    "SAM2Config",
    "SeedGrid",
    "SparseMask",
    "Thresholds",
    "VideoSession",
    "load_model",
    "load_sam2",
    "save_checkpoint",
    "segment_everything",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"sam2_torch.{_HOME[name]}"), name)
    raise AttributeError(f"module 'sam2_torch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
