"""What the dock says of a model, in a few lines."""

from html import escape
from typing import TYPE_CHECKING

from napari_sam2.widgets.inference.loaded_model import short_name

if TYPE_CHECKING:
    from sam2_torch.models.model_cache import Verification
    from sam2_torch.models.model_list import ModelStatus
    from sam2_torch.models.speed_records import Speed


def title(name: str, device: str, wanted_device: str, unloaded: bool) -> str:
    """Say which model is in use and where; also read while the section is folded.

    Parameters
    ----------
    name
        Name or path of the model.
    device
        Where it is; empty as long as it is not loaded.
    wanted_device
        Where it is going to be.
    unloaded
        Whether its memory was freed.
    """
    where = ", unloaded" if unloaded else f" on {device or wanted_device}"
    return f"Model: {short_name(name)}{where}"


def details(model: "ModelStatus", device: str, in_use: str, instead: str) -> str:
    """Describe a model as rich text.

    Parameters
    ----------
    model
        The one to describe.
    device
        That the user has chosen; "auto" is any.
    in_use
        Device and precision if the model is loaded, else empty.
    instead
        The model that is in use as long as this one is not here.
    """
    entry = model.entry
    description = entry.summary[:1].upper() + entry.summary[1:]
    lines = [_place(model, in_use, instead), _facts(model), escape(description)]
    if not entry.has_memory:
        lines.append("No memory: in movies and stacks each mask is the prompt of the next frame")
    return "<br>".join(line for line in [*lines, _speed(model.speeds, device)] if line)


def download_label(model: "ModelStatus | None") -> str:
    """Say what the download button does."""
    if model is None or not model.can_download:
        return "Download"
    return "Resume" if model.unfinished else "Download"


def progress_text(done: int, total: int | None) -> str:
    """Say how far a download is."""
    return f"{done / 1e6:.1f} MB" if total is None else f"{done / 1e6:.1f} of {_size(total)}"


def verification(name: str, result: "Verification") -> str:
    """Say how a comparison of checksums went."""
    if result.is_intact is None:
        return f"{name}: nothing to compare with; its sha256 is {result.sha256}."
    if result.is_intact:
        return f"{name} is intact."
    return f"{name} is damaged: remove it and download it again. ({result.path})"


def _place(model: "ModelStatus", in_use: str, instead: str) -> str:
    if in_use:
        return f"<b>In use</b> on {escape(in_use)}"
    if model.can_download:
        kept = f", {model.unfinished / 1e6:.1f} MB are here" if model.unfinished else ""
        return f"<b>Not downloaded</b>{kept}; {escape(short_name(instead))} is used until it is"
    if model.path is None:
        return f"<b>The file is missing</b>: {escape(str(model.entry.path))}"
    return f"<b>{model.where.capitalize()}</b>"


def _facts(model: "ModelStatus") -> str:
    parameters = model.entry.parameters
    facts = [
        "" if model.size_bytes is None else _size(model.size_bytes),
        "" if parameters is None else f"{parameters / 1e6:.1f} M parameters",
        f"licence {model.entry.licence}",
    ]
    return escape(", ".join(fact for fact in facts if fact))


def _speed(speeds: "tuple[Speed, ...]", device: str) -> str:
    kind = device.partition(":")[0]
    fitting = [s for s in speeds if device in ("auto", s.device) or kind == device == s.device[:4]]
    return "Speed: " + escape("; ".join(map(str, fitting)) or "not measured")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.0f} MB"
