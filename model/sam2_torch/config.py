"""The sizes that differ among SAM 2 and SAM 1 networks, and the tables of named ones.

Everything that all of them share is a constant where it is used.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

Version: TypeAlias = Literal["2.0", "2.1"]
Encoder: TypeAlias = Literal["hiera", "repvit"]
_CHOICES: dict[str, Any] = {"version": Version, "encoder": Encoder}


class _InputSize:
    """Sizes that follow from the side of the square input, the same for all networks."""

    image_size: int

    @property
    def embedding_size(self) -> int:
        """Side of the image embedding (stride 16)."""
        return self.image_size // 16

    @property
    def logits_size(self) -> int:
        """Side of the mask logits (stride 4)."""
        return self.image_size // 4

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that can be written as JSON."""
        return asdict(self)  # type: ignore[call-overload]  # of the dataclasses below


@dataclass(frozen=True)
class SAM2Config(_InputSize):
    """Sizes of one network.

    Parameters
    ----------
    version
        "2.1" adds a no-object embedding to the memories and temporal encodings to the
        object pointers.
    image_size
        Side of the square input in pixels.
    keep_aspect
        Whether images are fitted into the input and padded below and to the right (True)
        or stretched to it (False, as the released models were trained).
    encoder
        "hiera", or "repvit" (EdgeTAM).
    embed_dim, stages
        The encoder's first width and blocks per stage.
    num_heads, global_blocks, window_sizes, background_size
        Hiera's number of heads, blocks with global attention, attention window of each stage,
        side of the background position embedding.
    d_model
        Width of the features, the decoder and the memory attention.
    memory_layers, memory_feedforward
        Layers of the memory attention and the width of their feed-forward.
    memory_dim
        Channels of a memory.
    memory_latents
        Tokens that summarise a whole memory, and as many that summarise a window of it each, a
        square number (EdgeTAM); 0 for all of the memory.
    """

    version: Version = "2.1"
    image_size: int = 1024
    keep_aspect: bool = False
    encoder: Encoder = "hiera"
    embed_dim: int = 96
    num_heads: int = 1
    stages: tuple[int, int, int, int] = (1, 2, 7, 2)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    window_sizes: tuple[int, int, int, int] = (8, 4, 14, 7)
    background_size: int = 7
    d_model: int = 256
    memory_layers: int = 4
    memory_feedforward: int = 2048
    memory_dim: int = 64
    memory_latents: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SAM2Config":
        """Return the config of a dictionary that `to_dict` made.

        Raises
        ------
        ValueError
            If a key is unknown, or a value is none that a network can have.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"config: expected the keys of SAM2Config, found {sorted(unknown)} as well"
            )
        for name, value in values.items():
            _check(name, value)
        hashable: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**hashable)


_LARGEST = {
    "image_size": 2048,
    "embed_dim": 1024,
    "num_heads": 64,
    "stages": 128,
    "global_blocks": 512,
    "window_sizes": 256,
    "background_size": 256,
    "d_model": 1024,
    "memory_layers": 64,
    "memory_feedforward": 65536,
    "memory_dim": 1024,
    "memory_latents": 4096,
}
"""Larger networks do not exist; a file could ask for any amount of memory otherwise."""


def _check(name: str, value: Any) -> None:
    """Check a value out of a file."""
    if name in _CHOICES:
        choices = get_args(_CHOICES[name])
        valid, expected = value in choices, " or ".join(choices)
    elif name == "keep_aspect":
        valid, expected = isinstance(value, bool), "true or false"
    else:
        is_list = name in ("stages", "global_blocks", "window_sizes")
        numbers = value if is_list and isinstance(value, list | tuple) else [value]
        least = 0 if name in ("global_blocks", "memory_latents") else 1
        largest = _LARGEST[name]
        n_wanted = 4 if name in ("stages", "window_sizes") else len(numbers)
        valid = len(numbers) == n_wanted and all(
            type(number) is int and least <= number <= largest for number in numbers
        )
        expected = f"{'whole numbers' if is_list else 'a whole number'} in {least}..{largest}"
    if not valid:
        raise ValueError(f"config: expected {name} to be {expected}, found {str(value)[:80]}")


_TINY: dict[str, Any] = {}
_SMALL: dict[str, Any] = {"stages": (1, 2, 11, 2), "global_blocks": (7, 10, 13)}
_BASE_PLUS: dict[str, Any] = {
    "embed_dim": 112,
    "num_heads": 2,
    "stages": (2, 3, 16, 3),
    "global_blocks": (12, 16, 20),
    "background_size": 14,
}
_LARGE: dict[str, Any] = {
    "embed_dim": 144,
    "num_heads": 2,
    "stages": (2, 6, 36, 4),
    "global_blocks": (23, 33, 43),
    "window_sizes": (8, 4, 16, 8),
}

_SIZES = {"tiny": _TINY, "small": _SMALL, "base_plus": _BASE_PLUS, "large": _LARGE}

RELEASED: dict[str, SAM2Config] = {
    **{f"sam2.1_hiera_{size}": SAM2Config("2.1", **sizes) for size, sizes in _SIZES.items()},
    **{f"sam2_hiera_{size}": SAM2Config("2.0", **sizes) for size, sizes in _SIZES.items()},
}
"""The networks that Meta released, by name (Ravi et al. 2024, and the 2.1 update)."""

EDGETAM = SAM2Config(
    "2.0", encoder="repvit", embed_dim=48, stages=(2, 2, 14, 2), memory_layers=2, memory_latents=256
)
"""EdgeTAM (Zhou et al. 2025): a convolutional encoder and short memories, for slow devices."""

CELLS_NANO = SAM2Config(
    image_size=512,
    keep_aspect=True,
    embed_dim=48,
    stages=(1, 2, 5, 2),
    window_sizes=(8, 4, 16, 8),
    background_size=8,
    d_model=128,
    memory_layers=2,
    memory_feedforward=512,
)
"""The embedded network, trained for microscopy."""


@dataclass(frozen=True)
class SAM1Config(_InputSize):
    """Sizes of one network.

    Parameters
    ----------
    encoder
        "vit" (SAM) or "tiny_vit" (MobileSAM), whose sizes are fixed.
    image_size
        Side of the square input in pixels.
    embed_dim, depth, num_heads, global_blocks, window_size
        Of the ViT: width, blocks, heads, blocks with global attention, side of the others' windows.
    d_model
        Width of the features and of the decoder.
    """

    encoder: Literal["vit", "tiny_vit"] = "vit"
    image_size: int = 1024
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    d_model: int = 256

    memory_dim: ClassVar[int] = 16
    """What is remembered of a frame are its logits: 4 x 4 of them to a place of the features."""

    keep_aspect: ClassVar[bool] = True
    """Images are fitted into the input, and padded below and to the right."""


SAM1_NETWORKS = {
    "vit_t": SAM1Config("tiny_vit"),
    "vit_b": SAM1Config(),
    "vit_l": SAM1Config(embed_dim=1024, depth=24, num_heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_h": SAM1Config(embed_dim=1280, depth=32, num_heads=16, global_blocks=(7, 15, 23, 31)),
}
"""Architectures by the names that their checkpoints have."""

NetworkConfig: TypeAlias = SAM2Config | SAM1Config
