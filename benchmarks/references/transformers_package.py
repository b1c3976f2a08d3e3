"""`Sam2VideoModel` of the `transformers` package.

Frames come normalised and on the device, as its processor leaves them; the processor, which
wants torchvision, is passed over: the movie has the network's size, so that it changes
neither points nor frames.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from references.protocol import DenseMasks, Masklets, Movie, Setting
from references.transformers_config import video_config
from sam2_torch.checkpoints.transformers_names import to_transformers

BOX_LABELS = [2, 3]  # of the corners, as points


def build(setting: Setting) -> "TransformersPackage":
    """Build `Sam2VideoModel` with the same weights under its names."""
    from transformers import Sam2VideoModel

    model: Any = Sam2VideoModel(video_config(setting.config))
    model.load_state_dict(to_transformers(setting.weights))
    return TransformersPackage(model.to(setting.device, setting.dtype).eval(), setting)


class TransformersPackage:
    """The model with weights of the setting's dtype; attention as it chooses itself (SDPA)."""

    def __init__(self, model: Any, setting: Setting) -> None:
        self.model, self.setting = model, setting

    def precision(self) -> AbstractContextManager[object]:
        return nullcontext()

    @torch.inference_mode()
    def encode(self, images: Tensor) -> object:
        return self.model.get_image_features(images.to(self.setting.dtype), return_dict=True)

    def open(self, movie: Movie) -> "ModelTracking":
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        video = torch.stack(
            [self.setting.normalised(frame).to(self.setting.dtype) for frame in movie]
        )
        device = self.setting.device
        session = Sam2VideoInferenceSession(
            video=video,
            video_height=movie.size,
            video_width=movie.size,
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=self.setting.dtype,
        )
        return ModelTracking(self.model, session, movie)


class ModelTracking:
    """A movie in an inference session; object ids are the movie's indices."""

    def __init__(self, model: Any, session: Any, movie: Movie) -> None:
        self.model, self.session, self.movie = model, session, movie

    def _add_points(self, index: int, frame: int, points_xy: list[Any], labels: list[int]) -> None:
        """Do what the processor does with points: (batch, objects, points, 2)."""
        points = {
            "point_coords": torch.tensor([[points_xy]], dtype=torch.float32),
            "point_labels": torch.tensor([[labels]], dtype=torch.int32),
        }
        self.session.add_point_inputs(self.session.obj_id_to_idx(index), frame, points)
        self.session.obj_with_new_inputs.append(index)

    def prompt(self) -> None:
        for index in range(self.movie.n_objects):
            y0, x0, y1, x1 = self.movie.box_yx(index)
            self._add_points(index, 0, [[x0, y0], [x1, y1]], BOX_LABELS)
        self._to_host(self.model(self.session, frame_idx=0))

    def propagate(self, start: int = 0) -> Masklets:
        for answer in self.model.propagate_in_video_iterator(self.session, start_frame_idx=start):
            yield DenseMasks(answer.frame_idx, self._to_host(answer))

    def click(self, point_yx: tuple[float, float]) -> NDArray[np.bool_]:
        self.session.reset_tracking_data()
        self._add_points(0, 0, [point_yx[::-1]], [1])
        return self._to_host(self.model(self.session, frame_idx=0, run_mem_encoder=False))

    def correct(self, index: int, frame: int) -> Masklets:
        self._add_points(index, frame, [self.movie.centre_yx(index)[::-1]], [1])
        yield from self.propagate(frame)  # its first step answers the click

    def _to_host(self, answer: Any) -> NDArray[np.bool_]:
        size = (self.movie.size, self.movie.size)
        logits = F.interpolate(answer.pred_masks.float(), size, mode="bilinear")
        masks: NDArray[np.bool_] = (logits[:, 0] > 0).cpu().numpy()
        return masks
