"""COCO's format for videos (YouTube-VIS): one annotation for each object, with RLE."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.io.files import replacing
from napari_sam2.io.optional import library
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.contours import filled, mask_of_pixels
from napari_sam2.io.tracks.graphs import lineage_of_parents
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.calibration import AxisScale, Calibration
from napari_sam2.tracks.tracked_movie import Tracked, united
from sam2_torch.masks import SparseMask

LIBRARY = ("pycocotools.mask", "pycocotools")
"""What encodes masks, as (module, package)."""

_LOG = logging.getLogger(__name__)
_CATEGORY = {"id": 1, "name": "object", "supercategory": "object"}


def write_coco(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write a JSON file with a compressed run-length encoding of each mask.

    Every annotation has lists as long as the movie, with null where the object is not;
    `parent` (0 for none) is beyond the format.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.

    Raises
    ------
    ImportError
        If pycocotools is missing.
    """
    height, width = tracked.masklets.frame_shape
    n = tracked.n_frames
    names = [f"{path.stem}_{frame:05}.tif" for frame in range(n)]
    video = {"id": 1, "width": width, "height": height, "length": n, "file_names": names}
    annotations = []
    for done, track in enumerate(tracked.tracks, start=1):
        annotations.append(_annotation(tracked, track.object_id))
        progress(done, len(tracked.tracks))
    document = {
        "info": {
            "description": path.stem,
            "contributor": SIGNATURE,
            "calibration": _calibration(tracked),
        },
        "videos": [video],
        "categories": [_CATEGORY],
        "annotations": annotations,
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(document), encoding="utf-8")


def read_coco(path: Path) -> Tracked:
    """Read objects of a COCO file: of a video, or of images as its frames.

    Parameters
    ----------
    path
        A file with `videos`, whose first one is read, or with `images` of one size. Masks may be
        run lengths or polygons. An annotation of images is an object of its own, unless its
        `track_id` or `instance_id` joins it to others.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    try:
        document = json.loads(path.read_bytes())
        annotations = _of_first_video(path, document)
        read = _read_video if document.get("videos") else _read_images
        masklets = read(document, annotations)
    except (LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name}: expected a COCO file with videos or images, found {error!r}"
        ) from error
    by_id = {_object_id(annotation): annotation for annotation in annotations}
    parents = {i: int(annotation.get("parent") or 0) for i, annotation in by_id.items()}
    names = {
        i: str(annotation["name"]) for i, annotation in by_id.items() if annotation.get("name")
    }
    known = document.get("info", {}).get("calibration") or {}
    size, unit = known.get("pixel_size_yx"), known.get("unit") or ""
    axes = dict(zip("YX", (AxisScale(step, unit) for step in size), strict=True)) if size else {}
    axes |= {"Z": AxisScale(known.get("z_step"), unit)}
    axes |= {"T": AxisScale(known.get("time_interval"), known.get("time_unit") or "")}
    return Tracked(
        masklets,
        lineage_of_parents(masklets, parents),
        str(known.get("axes", "TYX")),
        Calibration.of_axes(axes),
        names,
    )


def _of_first_video(path: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations that are read; all of images, those of the first video."""
    annotations: list[dict[str, Any]] = list(document["annotations"])
    videos = document.get("videos") or ()
    kept = [a for a in annotations if not videos or a["video_id"] == videos[0]["id"]]
    if len(videos) > 1 or len(kept) < len(annotations):
        about = "%s: the first video is read, without %d objects of others"
        _LOG.warning(about, path.name, len(annotations) - len(kept))
    return kept


def _read_video(document: dict[str, Any], annotations: list[dict[str, Any]]) -> Masklets:
    video = document["videos"][0]
    shape = video["height"], video["width"]
    masklets = Masklets(video.get("length") or len(video["file_names"]), shape)
    for annotation in annotations:
        object_id = _object_id(annotation)
        if object_id in masklets.object_ids:
            raise LookupError(f"two annotations {object_id}")
        for frame, segmentation in enumerate(annotation["segmentations"]):
            if segmentation:
                masklets.set(object_id, frame, _mask(segmentation, shape))
    return masklets


def _read_images(document: dict[str, Any], annotations: list[dict[str, Any]]) -> Masklets:
    images = sorted(document["images"], key=lambda image: image["id"])
    shape = images[0]["height"], images[0]["width"]
    frames = {image["id"]: frame for frame, image in enumerate(images)}
    if any((image["height"], image["width"]) != shape for image in images):
        raise LookupError("images of several sizes")
    masklets = Masklets(len(images), shape)
    for annotation in annotations:
        object_id, frame = _object_id(annotation), frames[annotation["image_id"]]
        if annotation.get("segmentation"):
            mask = united(masklets.get(object_id, frame), _mask(annotation["segmentation"], shape))
            masklets.set(object_id, frame, mask or SparseMask.empty(shape))
    return masklets


def _object_id(annotation: dict[str, Any]) -> int:
    """Return the id of an annotation, or the one that joins it to others."""
    return int(annotation.get("track_id", annotation.get("instance_id", annotation["id"])))


def _mask(segmentation: Any, shape: tuple[int, int]) -> SparseMask:
    """Decode run lengths, compressed or not, or polygons.

    pycocotools trusts its input: wrong sizes end the process.
    """
    if isinstance(segmentation, list):
        # x comes first, and corners lie half a pixel before centres
        rings = [np.reshape(each, (-1, 2)).astype(float) for each in segmentation if len(each) >= 6]
        parts = [filled([ring[:, ::-1] - 0.5], shape) for ring in rings]
        return SparseMask.union([*parts, SparseMask.empty(shape)])
    height, width = shape
    counts = segmentation["counts"]
    runs = np.array(_decompressed(counts) if isinstance(counts, str) else counts)
    if tuple(segmentation["size"]) != (height, width) or runs.sum() != height * width:
        raise LookupError(f"run lengths of another size than their image, {height} x {width}")
    if (runs < 0).any():
        raise LookupError("a negative run length")
    begins, lengths = np.cumsum(runs)[: len(runs) // 2 * 2 : 2], runs[1::2]
    before = np.cumsum(lengths) - lengths
    inside = np.arange(lengths.sum()) + np.repeat(begins - before, lengths)
    return mask_of_pixels(np.array([inside % height, inside // height]), shape)


def _decompressed(text: str) -> list[int]:
    """Decode COCO's compressed run lengths: five bits a character, differences from the third."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << (shift - 4)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _annotation(tracked: Tracked, object_id: int) -> dict[str, Any]:
    height, width = tracked.masklets.frame_shape
    empty: list[Any] = [None] * tracked.n_frames
    segmentations, boxes, areas = list(empty), list(empty), list(empty)
    for frame in tracked.masklets.frames(object_id):
        mask = tracked.masklets.get(object_id, frame)
        if mask and tracked.lineage.spans(object_id, frame):
            (y, x), (h, w) = mask.origin_yx, mask.extent_yx
            segmentations[frame] = {"size": [height, width], "counts": compressed_rle(mask)}
            boxes[frame], areas[frame] = [x, y, w, h], mask.area
    return {
        "id": object_id,
        "video_id": 1,
        "category_id": 1,
        "iscrowd": 0,
        "width": width,
        "height": height,
        "length": 1,
        "name": tracked.name(object_id),
        "parent": tracked.tracks[object_id].parent,
        "segmentations": segmentations,
        "bboxes": boxes,
        "areas": areas,
    }


def _calibration(tracked: Tracked) -> dict[str, Any]:
    known = tracked.calibration
    return {
        "axes": tracked.axes,
        "pixel_size_yx": known.pixel_size_yx,
        "unit": known.unit,
        "z_step": known.z_step,
        "time_interval": known.time_interval,
        "time_unit": known.time_unit,
    }


def _run_lengths(mask: SparseMask) -> list[int]:
    """Count pixels column by column: outside, inside, outside, and so on.

    pycocotools only encodes whole frames: 700 times slower for a small object in 2048 x 2048.
    """
    height, width = mask.shape
    columns, rows = np.nonzero(mask.window().T)
    inside = (columns + mask.origin_yx[1]) * height + rows + mask.origin_yx[0]
    is_end = np.diff(inside, append=-1) != 1
    begins, stops = inside[np.roll(is_end, 1)], inside[is_end] + 1
    edges = np.column_stack([begins, stops]).ravel()
    counts = np.diff(edges, prepend=0, append=height * width)
    return np.trim_zeros(counts, "b").tolist()


def compressed_rle(mask: SparseMask) -> str:
    """Encode a mask as COCO's compressed run lengths.

    Parameters
    ----------
    mask
        Of a frame; also an empty one.
    """
    height, width = size = mask.shape
    runs = {"size": list(size), "counts": _run_lengths(mask)}
    encoded = library(*LIBRARY, "a COCO .json").frPyObjects(runs, height, width)
    return str(encoded["counts"], "ascii")
