"""A movie in Meta's video predictor, spoken to in our words."""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from reference import image_predictor, random_tensor
from torch import Tensor

from sam2_torch import BoxPrompt, FrameResult, MaskPrediction, MaskPrompt, PointPrompt, Prompt

LOGIT_TOLERANCE = 1e-3
MASK_TOLERANCE = 1e-4  # part of the pixels that may differ
SHAPE = (180, 240)  # of the movie's frames


def make_movie(n_frames: int = 8) -> NDArray[np.uint8]:
    """Make a movie of coloured clouds that drift, (T, H, W, 3)."""
    height, width = SHAPE
    noise = random_tensor(1, 3, 12, 12, seed=7)
    clouds = F.interpolate(noise, size=(height + 40, width + 40), mode="bicubic")[0]
    clouds = (40 * clouds + 128).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    shifts = [(round(20 + 15 * np.sin(t / 3)), 3 * t % 40) for t in range(n_frames)]
    return np.stack([clouds[y : y + height, x : x + width] for y, x in shifts])


def to_images(network: Any, frames: NDArray[np.uint8]) -> Tensor:
    """Read (T, H, W, 3) frames as the reference reads images: stretched to its input."""
    transforms = image_predictor(network)._transforms
    return torch.stack([transforms(frame) for frame in frames])


class ReferenceVideo:
    """A movie in the reference, with `inference_state` filled as its `init_state` does.

    Parameters
    ----------
    network
        A `SAM2VideoPredictor`.
    images
        (T, 3, S, S) normalised.
    shape
        (H, W) of the masks.
    encoded
        From `encode_frames`, if it is known.
    """

    def __init__(
        self,
        network: Any,
        images: Tensor,
        shape: tuple[int, int],
        encoded: dict[int, Any] | None = None,
    ) -> None:
        self.network = network
        self.state: dict[str, Any] = {
            "images": images,
            "num_frames": len(images),
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": False,
            "video_height": shape[0],
            "video_width": shape[1],
            "device": images.device,
            "storage_device": images.device,
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
            "cached_features": dict(encoded or {}),
        }
        for kind in ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict"):
            self.state[f"{kind}_per_obj"] = {}
        for kind in ("constants", "frames_tracked_per_obj"):
            self.state[kind] = {}

    def encode_frames(self) -> dict[int, Any]:
        """Encode all frames at once, to share them with other movies of the same frames."""
        images = self.state["images"][:, None]
        return {t: (image, self.network.forward_image(image)) for t, image in enumerate(images)}

    def add_prompt(self, object_id: int, frame: int, *prompts: Prompt) -> Tensor:
        """Prompt an object and get the logits of its mask in the frame's size, (H, W)."""
        if isinstance(prompts[0], MaskPrompt):
            _, ids, masks = self.network.add_new_mask(self.state, frame, object_id, prompts[0].mask)
        else:
            boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
            clicks = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
            _, ids, masks = self.network.add_new_points_or_box(
                self.state,
                frame,
                object_id,
                points=np.concatenate([click.points_yx[:, ::-1] for click in clicks])
                if clicks
                else None,
                labels=np.concatenate([click.labels for click in clicks]) if clicks else None,
                box=[boxes[0].x0, boxes[0].y0, boxes[0].x1, boxes[0].y1] if boxes else None,
                clear_old_points=bool(boxes),
            )
        return masks[ids.index(object_id), 0]

    def propagate(
        self, start: int | None = None, backward: bool = False
    ) -> dict[int, dict[int, Tensor]]:
        """Follow all objects; logits in the frames' size by frame and object."""
        return {
            frame: dict(zip(ids, masks[:, 0], strict=True))
            for frame, ids, masks in self.network.propagate_in_video(
                self.state, start_frame_idx=start, reverse=backward
            )
        }

    def answer(self, object_id: int, frame: int) -> tuple[Tensor, float]:
        """Find the newest logits of stride 4 and the object score."""
        index = self.state["obj_id_to_idx"][object_id]
        for outputs in ("temp_output_dict_per_obj", "output_dict_per_obj"):
            for kind in ("cond_frame_outputs", "non_cond_frame_outputs"):
                found = self.state[outputs][index][kind].get(frame)
                if found is not None:
                    return found["pred_masks"][0, 0], float(found["object_score_logits"])
        raise KeyError(f"object {object_id} has no answer on frame {frame}")

    def assert_same(
        self, found: MaskPrediction, object_id: int, frame: int, full_logits: Tensor
    ) -> None:
        """Compare a prediction of ours with the reference's newest of the object and frame."""
        logits, score = self.answer(object_id, frame)
        assert torch.equal(found.logits == -1024, logits == -1024)
        assert float((found.logits - logits).abs().max()) < LOGIT_TOLERANCE
        assert abs(found.object_score - score) < LOGIT_TOLERANCE
        differ = found.mask != (full_logits > 0).numpy()
        assert differ.mean() <= MASK_TOLERANCE

    def assert_all_same(
        self, found: list[FrameResult], expected: dict[int, dict[int, Tensor]]
    ) -> None:
        """Compare all frames of a propagation."""
        assert [result.frame for result in found] == list(expected)
        for result in found:
            masks = expected[result.frame]
            assert set(result.object_ids) == set(masks)
            for object_id, one in zip(result.object_ids, result.predictions, strict=True):
                self.assert_same(one, object_id, result.frame, masks[object_id])
