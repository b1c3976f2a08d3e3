"""Meta's networks with deterministic random weights, and ours with the same.

`sam2` is a test-only dependency; where it is missing, the parity tests are skipped.
"""

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sam2_torch import SAM2, SAM2Config

CONFIG_FILES = {
    f"{prefix}_hiera_{size}": f"configs/{prefix}/{prefix}_hiera_{letter}.yaml"
    for prefix in ("sam2.1", "sam2")
    for size, letter in (("tiny", "t"), ("small", "s"), ("base_plus", "b+"), ("large", "l"))
}
# what the builders of the reference switch on, without the kernel that needs a GPU, and
# with corrections that later frames attend to (a choice of ours, and an option of theirs)
BUILDER = [
    "++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictor",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
    "++model.fill_hole_area=0",
    "++model.add_all_frames_to_correct_as_cond=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
]

# Random attention to thousands of keys looks at their mean, and random memories are hardly
# those of a mask: with these they tell.
GAINS = {
    "cross_attn_image.q_proj.weight": 2.0,
    "cross_attn_image.k_proj.weight": 2.0,
    "mask_downsampler.encoder.12.weight": 4.0,
}
SCORE_BIAS = "sam_mask_decoder.pred_obj_score_head.layers.2.bias"
FIXED = {
    SCORE_BIAS: [3.0],  # objects are there
    # of candidates whose predicted IoUs are nearly equal, rounding would choose
    "sam_mask_decoder.iou_prediction_head.layers.2.bias": [0.0, -0.5, 0.5, 0.0],
}

_SMALL: dict[str, Any] = {
    "image_size": 256,  # stages of 64, 32, 16 and 8: windows of 14 and 7 need padding
    "embed_dim": 32,
    "num_heads": 2,
    "stages": (1, 2, 3, 2),
    "global_blocks": (4,),
    "d_model": 128,
    "memory_layers": 2,
    "memory_feedforward": 256,
}
SMALL = SAM2Config("2.1", **_SMALL)
SMALL_2_0 = SAM2Config("2.0", **_SMALL)
SMALLER = replace(SMALL, image_size=128)  # for movies
SMALLER_2_0 = replace(SMALL_2_0, image_size=128)


def overrides(config: SAM2Config) -> list[str]:
    """List what changes Meta's tiny network of the same version into one of other sizes."""
    side, width = config.embedding_size, config.d_model
    widths = [config.embed_dim * 2**level for level in (3, 2, 1, 0)]
    trunk, neck = "image_encoder.trunk", "image_encoder.neck"
    layer = "memory_attention.layer"
    values: dict[str, object] = {
        "image_size": config.image_size,
        f"{trunk}.embed_dim": config.embed_dim,
        f"{trunk}.num_heads": config.num_heads,
        f"{trunk}.stages": list(config.stages),
        f"{trunk}.global_att_blocks": list(config.global_blocks),
        f"{trunk}.window_spec": list(config.window_sizes),
        f"{trunk}.window_pos_embed_bkg_spatial_size": [config.background_size] * 2,
        f"{neck}.backbone_channel_list": widths,
        f"{neck}.d_model": width,
        f"{neck}.position_encoding.num_pos_feats": width,
        "memory_attention.d_model": width,
        "memory_attention.num_layers": config.memory_layers,
        f"{layer}.d_model": width,
        f"{layer}.dim_feedforward": config.memory_feedforward,
        f"{layer}.self_attention.embedding_dim": width,
        f"{layer}.self_attention.feat_sizes": [side, side],
        f"{layer}.cross_attention.embedding_dim": width,
        f"{layer}.cross_attention.feat_sizes": [side, side],
        f"{layer}.cross_attention.kv_in_dim": config.memory_dim,
        "memory_encoder.in_dim": width,
        "memory_encoder.out_dim": config.memory_dim,
        "memory_encoder.position_encoding.num_pos_feats": config.memory_dim,
        "memory_encoder.mask_downsampler.embed_dim": width,
        "memory_encoder.fuser.layer.dim": width,
    }
    return [f"++model.{key}={value}".replace(" ", "") for key, value in values.items()]


class WithoutWeights(TorchFunctionMode):
    """Make networks whose weights take up no memory and no time."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.empty:
            kwargs["device"] = "meta"
        return function(*args, **kwargs)


@cache
def build_released(name: str) -> Any:
    """Build one of Meta's released networks, from their own file and without weights."""
    with WithoutWeights():
        return _instantiate(CONFIG_FILES[name], [])


def build_reference(config: SAM2Config) -> Any:
    """Build a network of the `sam2` package with given sizes; it predicts videos, too."""
    version = "sam2" if config.version == "2.0" else "sam2.1"
    network = _instantiate(CONFIG_FILES[f"{version}_hiera_tiny"], BUILDER + overrides(config))
    network.memory_attention.register_forward_pre_hook(_memory_as_float32, with_kwargs=True)
    return network.eval().requires_grad_(False)


def _memory_as_float32(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Let an object that has no pointers yet be tracked: its bfloat16 memories alone fail."""
    return args, {**kwargs, "memory": kwargs["memory"].float()}


def _instantiate(file: str, changes: list[str]) -> Any:
    import sam2
    import sam2.sam2_video_predictor
    from hydra import compose
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    sam2.sam2_video_predictor.tqdm = lambda frames, **_: frames  # no progress bars
    config = compose(file, changes)
    OmegaConf.resolve(config)
    return instantiate(config.model, _recursive_=True)


def build_ours(config: SAM2Config) -> SAM2:
    """Build our network."""
    return SAM2(config).eval().requires_grad_(False)


@torch.no_grad()
def fix_weights(module: nn.Module) -> None:
    """Fill the parameters with random numbers that depend on their names and shapes alone.

    Large enough for layers with tiny initial weights (layer scales, zero embeddings) to
    count, small enough for activations to stay near 1.
    """
    for name, tensor in module.state_dict().items():
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        values = generator.standard_normal(tuple(tensor.shape), np.float32)
        if name.endswith("gaussian_matrix"):
            scale, offset = 1.0, 0.0
        elif tensor.ndim == 1:
            is_norm = "norm" in name or name.endswith("gamma")
            scale, offset = 0.1, float(is_norm and not name.endswith("bias"))
        else:  # a leading 1: an embedding
            scale, offset = tensor[0].numel() ** -0.5 if len(tensor) > 1 else 0.5, 0.0
        scale *= next((gain for part, gain in GAINS.items() if part in name), 1.0)
        tensor.copy_(torch.from_numpy(values * np.float32(scale) + np.float32(offset)))
    for name, fixed in FIXED.items():
        module.get_parameter(name).copy_(torch.tensor(fixed))


@cache
def pair(config: SAM2Config) -> tuple[Any, SAM2]:
    """Build both networks with the same random weights, once for the whole test run."""
    reference, ours = build_reference(config), build_ours(config)
    fix_weights(reference)
    ours.load_state_dict(reference.state_dict())
    return reference, ours


@contextmanager
def changed(networks: tuple[nn.Module, ...], name: str, change: Any) -> Iterator[None]:
    """Change one parameter of several networks for a while: to `change(values)`."""
    parameters = [network.get_parameter(name) for network in networks]
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(change(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(parameters, before, strict=True):
                parameter.copy_(values)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Measure the largest difference in units of the largest expected value."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float((found - expected).abs().max() / expected.abs().max())


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    """Make normally distributed numbers, always the same."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class _ToTensor:
    def __call__(self, image: Any) -> Tensor:
        return torch.from_numpy(np.asarray(image)).permute(2, 0, 1).float() / 255


class _Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(image[None], self.size, mode="bilinear", antialias=True)[0]


class _Normalize(nn.Module):
    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class TorchWithoutBfloat16(ModuleType):
    """Take the place of `torch` in a module whose memories are to stay in float32.

    They are rounded to bfloat16, by us as well: noise of the seventh digit may become one of
    the third.
    """

    def __getattr__(self, name: str) -> Any:
        return torch.float32 if name == "bfloat16" else getattr(torch, name)


@contextmanager
def _stand_in_for_torchvision() -> Iterator[None]:
    """Give an import the three transforms above.

    torchvision does not import beside a CPU build of torch, and `transformers` must not
    find half a torchvision: the stand-in is gone after the import.
    """
    package, transforms = ModuleType("torchvision"), ModuleType("torchvision.transforms")
    for name, value in (("ToTensor", _ToTensor), ("Resize", _Resize), ("Normalize", _Normalize)):
        setattr(transforms, name, value)
    with replaced_modules({"torchvision": package, "torchvision.transforms": transforms}):
        yield


@contextmanager
def replaced_modules(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Let imports find these modules, and afterwards those from before."""
    before = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)


def image_predictor(network: Any) -> Any:
    """Make Meta's image predictor of a network of any size."""
    with _stand_in_for_torchvision():
        from sam2.sam2_image_predictor import SAM2ImagePredictor

    script, torch.jit.script = torch.jit.script, lambda module: module  # deprecated: it warns
    try:
        predictor = SAM2ImagePredictor(network)
    finally:
        torch.jit.script = script
    predictor._bb_feat_sizes = [(network.image_size // stride,) * 2 for stride in (4, 8, 16)]
    return predictor
