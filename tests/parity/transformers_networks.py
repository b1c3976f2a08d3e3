"""The networks of `transformers` in the sizes of ours; import this where `transformers` is."""

from typing import Any

import transformers
from references.transformers_config import image_config, video_config

from sam2_torch import SAM2Config


def image_network(config: SAM2Config) -> Any:
    """Build a Sam2Model of our sizes."""
    return transformers.Sam2Model(image_config(config)).eval()


def video_network(config: SAM2Config) -> Any:
    """Build a Sam2VideoModel of our sizes."""
    return transformers.Sam2VideoModel(video_config(config)).eval()
