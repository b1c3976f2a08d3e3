"""One movie in our session and in Meta's predictor: everything is done in both and compared."""

from functools import cache
from typing import Any, Literal

from reference import pair
from reference_video import SHAPE, ReferenceVideo, make_movie, to_images
from torch import Tensor

from sam2_torch import FrameResult, MaskPrediction, Prompt, SAM2Config, VideoSession


@cache
def encode(config: SAM2Config, n_frames: int) -> tuple[Tensor, dict[int, Any]]:
    """Encode the movie in the reference, once for all tests."""
    network, _ = pair(config)
    images = to_images(network, make_movie(n_frames))
    return images, ReferenceVideo(network, images, SHAPE).encode_frames()


class BothVideos:
    """A session and a reference that are told the same and must answer the same.

    Parameters
    ----------
    config
        Of the network.
    n_frames
        Length of the movie.
    max_prompted
        As in `VideoSession`; the reference has it, too.
    """

    def __init__(
        self, config: SAM2Config, n_frames: int = 8, max_prompted: int | None = None
    ) -> None:
        network, model = pair(config)
        self.movie = make_movie(n_frames)
        images, encoded = encode(config, n_frames)
        network.max_cond_frames_in_attn = -1 if max_prompted is None else max_prompted
        self.reference = ReferenceVideo(network, images, SHAPE, encoded)
        self.session = VideoSession(
            model, self.movie, contrast=(0, 255), max_prompted=max_prompted, plain=True
        )

    def add_prompt(self, object_id: int, frame: int, *prompts: Prompt) -> MaskPrediction:
        """Prompt both."""
        found = self.session.add_prompt(object_id, frame, prompts)
        expected = self.reference.add_prompt(object_id, frame, *prompts)
        self.reference.assert_same(found, object_id, frame, expected)
        return found

    def propagate(
        self, direction: Literal["forward", "backward"] = "forward", start: int | None = None
    ) -> dict[int, FrameResult]:
        """Follow all objects from a frame, by default the earliest (forward) or latest prompted."""
        if start is None:
            prompted = [
                frame
                for object_id in self.session.object_ids
                for frame in self.session.prompted_frames(object_id)
            ]
            start = min(prompted) if direction == "forward" else max(prompted)
        found = list(self.session.propagate(direction, start=start))
        expected = self.reference.propagate(start, backward=direction == "backward")
        self.reference.assert_all_same(found, expected)
        return {result.frame: result for result in found}
