"""What the network propagated, kept in a file: so that rules can be measured again without it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from napari_sam2.masks.masklets import Confidence, Masklets


class Propagated(NamedTuple):
    """Masks, and the network's scores of them by (object id, frame)."""

    masklets: Masklets
    confidence: dict[tuple[int, int], Confidence]


def save(path: Path, propagated: Propagated) -> None:
    """Write masks and scores, as they are kept, into an npz file."""
    masklets = propagated.masklets
    keys = [(i, frame) for i in masklets.object_ids for frame in masklets.frames(i)]
    packed = [masklets.packed(*key) or b"" for key in keys]
    unknown = (np.nan, np.nan)
    np.savez_compressed(
        path,
        shape=(masklets.n_frames, *masklets.frame_shape),
        keys=np.array(keys, np.int32).reshape(-1, 2),
        sizes=[len(each) for each in packed],
        packed=np.frombuffer(b"".join(packed), np.uint8),
        scores=[tuple(propagated.confidence.get(key, unknown)) for key in keys],
    )


def load(path: Path) -> Propagated:
    """Read what `save` wrote."""
    with np.load(path) as file:
        n_frames, height, width = file["shape"].tolist()
        propagated = Propagated(Masklets(n_frames, (height, width)), {})
        ends = np.cumsum(file["sizes"]).tolist()
        data = file["packed"].tobytes()
        begins = [0, *ends[:-1]]
        for key, begin, end, scores in zip(
            file["keys"].tolist(), begins, ends, file["scores"].tolist(), strict=True
        ):
            propagated.masklets.put(*key, data[begin:end])
            if not np.isnan(scores).all():
                propagated.confidence[tuple(key)] = Confidence(*scores)
    return propagated
