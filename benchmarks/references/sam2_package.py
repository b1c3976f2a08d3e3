"""The `sam2` package's video predictors: the current one, the batched one, the compiled one.

Frames come normalised and on the device, as `init_state` leaves them, which reads JPEG
folders and mp4 only: how they get there is not measured.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from references.protocol import DenseMasks, Masklets, Movie, Setting

# "max-autotune", as shipped, compiles for minutes, and CUDA graphs ("reduce-overhead") fail
# in propagation
COMPILE_MODE = "default"


def build(setting: Setting) -> "SAM2Package":
    """Build `SAM2VideoPredictor`: objects one by one."""
    import sam2.sam2_video_predictor as module

    return _build(setting, module, "SAM2VideoPredictor")


def build_legacy(setting: Setting) -> "SAM2Package":
    """Build the older `SAM2VideoPredictor` that the package ships, too: objects as a batch."""
    import sam2.sam2_video_predictor_legacy as module

    return _build(setting, module, "SAM2VideoPredictor")


def build_vos(setting: Setting) -> "SAM2Package":
    """Build `SAM2VideoPredictorVOS`: objects one by one, compiled."""
    import sam2.sam2_video_predictor as module

    with _compiling(COMPILE_MODE):
        return _build(
            setting, module, "SAM2VideoPredictorVOS", "++model.compile_image_encoder=true"
        )


def _build(setting: Setting, module: ModuleType, name: str, *changes: str) -> "SAM2Package":
    from hydra import compose
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from reference import BUILDER, CONFIG_FILES, overrides

    module.tqdm = lambda frames, **_: frames  # type: ignore[attr-defined]  # no progress bars
    builder = [change for change in BUILDER if "_target_" not in change]
    target = f"++model._target_={module.__name__}.{name}"
    config = compose(
        CONFIG_FILES["sam2.1_hiera_tiny"],
        [target, *builder, *overrides(setting.config), *changes],
    )
    OmegaConf.resolve(config)
    predictor = instantiate(config.model, _recursive_=True)
    predictor.load_state_dict(setting.weights)
    # parameters keep requires_grad: autocast keeps the cast weights of such ones alone
    return SAM2Package(predictor.to(setting.device).eval(), module, setting)


@contextmanager
def _compiling(mode: str) -> Iterator[None]:
    """Let what is built compile its parts in another mode than it asks for."""
    before = torch.compile

    def compile_in_mode(function: Callable[..., Any], **options: Any) -> Any:
        return before(function, **{**options, "mode": mode})

    with patch.object(torch, "compile", compile_in_mode):
        yield


class SAM2Package:
    """A predictor with float32 weights, under autocast if the setting asks for bfloat16."""

    def __init__(self, predictor: Any, module: ModuleType, setting: Setting) -> None:
        self.predictor, self.module, self.setting = predictor, module, setting

    def precision(self) -> AbstractContextManager[object]:
        if self.setting.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.setting.device.type, self.setting.dtype)

    @torch.inference_mode()
    def encode(self, images: Tensor) -> object:
        return self.predictor.forward_image(images)

    def open(self, movie: Movie) -> "PredictorTracking":
        images = torch.stack([self.setting.normalised(frame) for frame in movie])
        with patch.object(
            self.module, "load_video_frames", lambda **_: (images, *images.shape[2:])
        ):
            state = self.predictor.init_state("")
        return PredictorTracking(self.predictor, state, movie)


class PredictorTracking:
    """A movie in a predictor's `inference_state`; object ids are the movie's indices."""

    def __init__(self, predictor: Any, state: dict[str, Any], movie: Movie) -> None:
        self.state, self.movie, self.predictor = state, movie, predictor
        self._add = partial(predictor.add_new_points_or_box, state)

    def prompt(self) -> None:
        for index in range(self.movie.n_objects):
            y0, x0, y1, x1 = self.movie.box_yx(index)
            self._add(0, index, box=[x0, y0, x1, y1])

    def propagate(self, start: int = 0) -> Masklets:
        frames = self.predictor.propagate_in_video(self.state, start_frame_idx=start)
        for frame, _, logits in frames:
            yield DenseMasks(frame, _to_host(logits))

    def click(self, point_yx: tuple[float, float]) -> NDArray[np.bool_]:
        self.predictor.reset_state(self.state)
        _, _, logits = self._add(0, 0, points=[point_yx[::-1]], labels=[1])
        return _to_host(logits)

    def correct(self, index: int, frame: int) -> Masklets:
        point_yx = self.movie.centre_yx(index)
        _, _, logits = self._add(
            frame, index, points=[point_yx[::-1]], labels=[1], clear_old_points=False
        )
        _to_host(logits)
        yield from self.propagate(frame)


def _to_host(logits: Tensor) -> NDArray[np.bool_]:
    masks: NDArray[np.bool_] = (logits[:, 0] > 0).cpu().numpy()
    return masks
