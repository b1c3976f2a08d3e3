"""This project's engine."""

from contextlib import AbstractContextManager, nullcontext
from math import ceil, floor
from unittest.mock import patch

import torch
from torch import Tensor

from references.protocol import Masklets, Movie, Setting
from sam2_torch import SAM2, BoxPrompt, MaskPrediction, PointPrompt, VideoSession
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.runtime.inference_steps import Steps

CONTRAST = (0.0, 255.0)  # the references divide by 255
LOGIT_STRIDE = 4


def build(setting: Setting) -> "ThisProject":
    """Build the network of a setting."""
    model = SAM2(setting.config)
    model.load_state_dict(setting.weights)
    return ThisProject(model.to(setting.device, setting.dtype).eval().requires_grad_(False))


def build_windowed(setting: Setting) -> "ThisProject":
    """Build it to look for objects in their surroundings only, which is not exact."""
    return Windowed(build(setting).model, setting)


class ThisProject:
    """`sam2_torch` with weights of the setting's dtype."""

    windowed = False

    def __init__(self, model: SAM2) -> None:
        self.model = model
        self._steps = Steps(model)

    def precision(self) -> AbstractContextManager[object]:
        return nullcontext()

    @torch.inference_mode()
    def encode(self, images: Tensor) -> object:
        return self._steps.encode_image(images)

    def open(self, movie: Movie) -> "SessionTracking":
        session = VideoSession(self.model, movie, contrast=CONTRAST, windowed=self.windowed)
        return SessionTracking(session, movie)


class Windowed(ThisProject):
    """The session in its windowed mode.

    Masks of random weights are as large as they like: the tracker is told that they are as
    large as the movie's discs, in the middle of the frame.
    """

    windowed = True

    def __init__(self, model: SAM2, setting: Setting) -> None:
        super().__init__(model)
        self.setting = setting
        self._box = (0, 0, 0, 0)

    def precision(self) -> AbstractContextManager[object]:
        if self.setting.trained:
            return nullcontext()
        return patch.object(FrameMemory, "box", property(lambda _: self._box))

    def open(self, movie: Movie) -> "SessionTracking":
        middle, radius = (pixels / LOGIT_STRIDE for pixels in (movie.size / 2, movie.radius))
        first, end = floor(middle - radius), ceil(middle + radius)
        self._box = (first, first, end, end)
        return super().open(movie)


class SessionTracking:
    """A `VideoSession`; object ids are the movie's indices + 1."""

    def __init__(self, session: VideoSession, movie: Movie) -> None:
        self.session, self.movie = session, movie

    def prompt(self) -> None:
        for index in range(self.movie.n_objects):
            self.session.add_prompt(index + 1, 0, BoxPrompt(*self.movie.box_yx(index)))

    def propagate(self) -> Masklets:
        yield from self.session.propagate("forward")

    def click(self, point_yx: tuple[float, float]) -> MaskPrediction:
        self.session.reset()
        return self.session.add_prompt(1, 0, PointPrompt([point_yx], [1]))

    def correct(self, index: int, frame: int) -> Masklets:
        click = PointPrompt([self.movie.centre_yx(index)], [1])
        self.session.add_prompt(index + 1, frame, click)
        rest = (frame, len(self.movie))
        yield from self.session.propagate("forward", frames=rest, object_ids=[index + 1])
