"""A session without a network: quick, and its masks are known."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sam2_torch.masks import SparseMask
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, clicks_of
from sam2_torch.sessions.prompt_changes import added_clicks, same_prompts

RADIUS = 4.3


class StubSession:
    """Draws a disc at the first positive click, the box or the mask that it is told.

    With each frame that an object is carried on, its mask moves one column to the right.
    Each further positive click adds a disc, each negative one cuts one out.
    """

    def __init__(self, model: Any, frames: Any) -> None:
        self.model = model
        self.crops = None
        self.n_frames = len(frames)
        self.frame_shape = frames[0].shape[:2]
        self._frames = frames
        self.log: list[tuple[Any, ...]] = []
        self.delay_s = 0.0  # of each frame of a propagation
        self.masks: dict[int, dict[int, np.ndarray]] = {}
        self.answers: dict[tuple[int, int], np.ndarray] = {}
        self.prompts: dict[tuple[int, int], tuple[tuple[Any, ...], int]] = {}

    @property
    def object_ids(self) -> tuple[int, ...]:
        return tuple(self.masks)

    def add_prompt(
        self, object_id: int, frame: int, prompt: Any, *, replace: bool = False
    ) -> MaskPrediction:
        if not 0 <= frame < self.n_frames:
            raise IndexError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")
        prompts = list(prompt) if isinstance(prompt, list | tuple) else [prompt]
        self.log.append(("add", object_id, frame, len(prompts), replace))
        self._frames[frame]
        by_frame = self.masks.setdefault(object_id, {})
        mask = np.zeros(self.frame_shape, bool) if replace else by_frame.get(frame)
        mask = np.zeros(self.frame_shape, bool) if mask is None else mask.copy()
        for each in prompts:
            mask = self._apply(mask, each)
        by_frame[frame] = self.answers[object_id, frame] = mask
        return self._prediction(mask)

    def set_prompts(
        self,
        object_id: int,
        frame: int,
        prompts: Any,
        choice: int = 0,
        present: SparseMask | None = None,
    ) -> MaskPrediction | None:
        place = object_id, frame
        before, chosen = self.prompts.get(place, ((), choice))
        if not prompts:
            if place in self.prompts:
                self.remove_prompts(*place)
            return None
        if same_prompts(before, prompts) and chosen == choice:
            return self._prediction(self.masks[object_id][frame])
        added = added_clicks(before, prompts) if chosen == choice else None
        if added is not None:
            prediction = self.add_prompt(*place, added)
        else:
            rows = clicks_of(prompts)
            clicks = [
                PointPrompt(rows[i : i + 1, :2], rows[i : i + 1, 2]) for i in range(len(rows))
            ]
            shapes = [each for each in prompts if not isinstance(each, PointPrompt)]
            first, then = (clicks[:1], clicks[1:]) if choice else ([*shapes, *clicks], [])
            prediction = self.add_prompt(*place, first, replace=True)
            prediction = self.choose_candidate(*place, choice) if choice else prediction
            prediction = self.add_prompt(*place, then) if then else prediction
        self.prompts[place] = tuple(prompts), choice
        return prediction

    def _apply(self, mask: np.ndarray, prompt: Any) -> np.ndarray:
        if isinstance(prompt, MaskPrompt):
            return prompt.mask.copy()
        if isinstance(prompt, BoxPrompt):
            y0, x0, y1, x1 = (round(v) for v in (prompt.y0, prompt.x0, prompt.y1, prompt.x1))
            mask[y0 : y1 + 1, x0 : x1 + 1] = True
            return mask
        assert isinstance(prompt, PointPrompt)
        y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
        for (py, px), label in zip(prompt.points_yx, prompt.labels, strict=True):
            mask[(y - py) ** 2 + (x - px) ** 2 <= RADIUS**2] = label == 1
        return mask

    def reset(self) -> None:
        self.masks.clear()
        self.answers.clear()
        self.prompts.clear()

    def keep_embeddings(self, store: Any) -> None:
        self.store = store

    def embed(self) -> Iterator[int]:
        yield from range(self.n_frames)

    def remove_prompts(self, object_id: int, frame: int) -> None:
        self.log.append(("remove_prompts", object_id, frame))
        self.masks[object_id].pop(frame)
        self.prompts.pop((object_id, frame), None)

    def candidates(self, object_id: int, frame: int) -> list[MaskPrediction]:
        whole = self.answers[object_id, frame]
        return [self._prediction(mask) for mask in (whole, whole & False, np.roll(whole, 9, 1))]

    def choose_candidate(self, object_id: int, frame: int, rank: int) -> MaskPrediction:
        chosen = self.candidates(object_id, frame)[rank]
        self.masks[object_id][frame] = chosen.mask
        return chosen

    def look_around(
        self, object_id: int, frame: int, direction: str, reach: int, *, stop: Any
    ) -> Iterator[FrameResult]:
        self.log.append(("look_around", object_id, frame, direction))
        steps = {"forward": (1,), "backward": (-1,), "both": (1, -1)}[direction]
        for other in (frame + step * i for step in steps for i in range(1, reach + 1)):
            if 0 <= other < self.n_frames:
                time.sleep(self.delay_s)
                if stop():
                    return
                mask = self._carried(object_id, other)
                yield FrameResult(other, (object_id,), (self._prediction(mask),))

    def predict(self, frame: int, prompt: Any) -> list[MaskPrediction]:
        ((y, x),) = np.round(prompt.points_yx).astype(int)
        here = np.zeros(self.frame_shape, bool)
        here[y, x] = True
        return [self._prediction(mask) for mask in (here | True, here & False, here)]

    def inherit_memories(self, mother: int, frame: int, daughters: Any) -> None:
        self.log.append(("fork", mother, frame, tuple(daughters)))

    def prompted_frames(self, object_id: int) -> tuple[int, ...]:
        return tuple(sorted(self.masks[object_id]))

    def forget_tracked(self, object_id: int) -> None:
        self.log.append(("forget_tracked", object_id))

    def propagate_changes(self, *, object_ids: Any = None) -> Iterator[FrameResult]:
        yield from self.propagate("both", object_ids=object_ids)
        self.log.append(("propagate_changes",))

    def remove_object(self, object_id: int) -> None:
        self.log.append(("remove_object", object_id))
        del self.masks[object_id]
        self.prompts = {place: p for place, p in self.prompts.items() if place[0] != object_id}

    def frame_count(self, direction: str, *, frames: Any = None, object_ids: Any = None) -> int:
        return len(self._order(direction, frames))

    def propagate(
        self, direction: str = "both", *, frames: Any = None, object_ids: Any = None
    ) -> Iterator[FrameResult]:
        if not any(self.masks.values()):
            raise ValueError("nothing to propagate: prompt an object on some frame first")
        wanted = None if object_ids is None else tuple(object_ids)
        self.log.append(("propagate", direction, frames, wanted))
        for frame in self._order(direction, frames):
            time.sleep(self.delay_s)
            self._frames[frame]  # as the network would
            ids = tuple(i for i in wanted or self.masks if self.masks[i])
            masks = [self._carried(i, frame) for i in ids]
            yield FrameResult(frame, ids, tuple(map(self._prediction, masks)))

    def _order(self, direction: str, frames: Any) -> list[int]:
        first, stop = frames or (0, self.n_frames)
        start = min(min(by_frame) for by_frame in self.masks.values() if by_frame)
        forward = list(range(max(start, first), stop))
        backward = list(range(min(start, stop) - 1, first - 1, -1))
        return {"forward": forward, "backward": backward, "both": forward + backward}[direction]

    def _carried(self, object_id: int, frame: int) -> np.ndarray:
        by_frame = self.masks[object_id]
        near = min(by_frame, key=lambda f: abs(f - frame))
        return np.roll(by_frame[near], abs(frame - near), axis=1)

    def _prediction(self, mask: np.ndarray) -> MaskPrediction:
        sparse = SparseMask.from_dense(mask)
        return MaskPrediction(sparse, None, 0.9, 5.0 if mask.any() else -5.0)  # type: ignore[arg-type]
