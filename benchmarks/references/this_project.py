"""This project's engine."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from references.protocol import Masklets, Movie, Setting
from sam2_torch import SAM2, BoxPrompt, MaskPrediction, PointPrompt, VideoSession
from sam2_torch.runtime.inference_steps import InferenceSteps

CONTRAST = (0.0, 255.0)  # the references divide by 255


def build(setting: Setting) -> "ThisProject":
    """Build the network of a setting."""
    model = SAM2(setting.config)
    model.load_state_dict(setting.weights)
    return ThisProject(model.to(setting.device, setting.dtype).eval().requires_grad_(False))


class ThisProject:
    """`sam2_torch` with weights of the setting's dtype."""

    def __init__(self, model: SAM2) -> None:
        self.model = model
        self._steps = InferenceSteps(model)

    def precision(self) -> AbstractContextManager[object]:
        return nullcontext()

    @torch.inference_mode()
    def encode(self, images: Tensor) -> object:
        return self._steps.encode_image(images)

    def open(self, movie: Movie) -> "SessionTracking":
        return SessionTracking(
            VideoSession(self.model, movie, contrast=CONTRAST, plain=True), movie
        )


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
