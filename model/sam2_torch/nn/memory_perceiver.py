"""EdgeTAM's memory perceiver: a memory of thousands of places becomes a few hundred tokens.

Notes
-----
Zhou et al. 2025 (arXiv 2501.07256), "2D spatial perceiver". Reference: EdgeTAM's
`sam2.modeling.perceiver`.
"""

import math

import torch
from torch import Tensor, nn

from sam2_torch.config import SAM2Config
from sam2_torch.nn.dot_product import attend
from sam2_torch.nn.image_encoder import split_windows
from sam2_torch.nn.position_encoding import sine_encoding_2d

LAYERS = 2
MLP_RATIO = 4


class LatentAttention(nn.Module):
    """Attention with one head, without biases.

    Parameters
    ----------
    width
        Channels.
    to_memory
        Whether it attends to a memory, which has a norm of its own, or to the latents.
    """

    def __init__(self, width: int, to_memory: bool) -> None:
        super().__init__()
        if to_memory:
            self.norm_x = nn.LayerNorm(width)
            self.norm_latents = nn.LayerNorm(width)
        else:
            self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(
        self, latents: Tensor, memory: Tensor | None = None, position: Tensor | None = None
    ) -> Tensor:
        """Attend from latents to a memory, or to themselves.

        Parameters
        ----------
        latents
            (B, L, C).
        memory
            (B, N, C); None for the latents.
        position
            (1, N, C) encoding of the memory's places, which keys and values get.
        """
        if memory is None:
            queries = seen = self.norm(latents)
        else:
            queries, seen = self.norm_latents(latents), self.norm_x(memory)
        keys, values = self.to_kv(seen).chunk(2, dim=-1)
        if position is not None:
            keys, values = keys + position, values + position
        heads = (part[:, None] for part in (self.to_q(queries), keys, values))  # (B, 1, L, C)
        return self.to_out(attend(*heads)[:, 0])


def feed_forward(width: int) -> nn.Sequential:
    """Return a perceptron with a norm in front of it."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, MLP_RATIO * width, bias=False),
        nn.GELU(),
        nn.Linear(MLP_RATIO * width, width, bias=False),
    )


class PerceiverLayer(nn.Module):
    """Latents attend to a memory, then to themselves."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = LatentAttention(width, to_memory=True)
        self.ff = feed_forward(width)
        self.self_attn = LatentAttention(width, to_memory=False)
        self.self_ff = feed_forward(width)

    def forward(self, latents: Tensor, memory: Tensor, position: Tensor | None) -> Tensor:
        """Map (B, L, C) latents; parameters as for `LatentAttention`."""
        latents = latents + self.attn(latents, memory, position)
        latents = latents + self.ff(latents)
        latents = latents + self.self_attn(latents)
        return latents + self.self_ff(latents)


class MemoryPerceiver(nn.Module):
    """Summarise memories by latents that see all of it, and by one latent for each window."""

    latent_position: Tensor

    def __init__(self, config: SAM2Config) -> None:
        super().__init__()
        width, n = config.memory_dim, config.memory_latents
        self.latents = nn.Parameter(torch.randn(n, width))
        self.latents_2d = nn.Parameter(torch.randn(n, width))
        self.layers = nn.ModuleList(PerceiverLayer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)
        self.window = config.embedding_size // math.isqrt(n)
        places = sine_encoding_2d(width, math.isqrt(n)).flatten(1).T
        whole = torch.zeros_like(places)  # those that see everything have no place
        self.register_buffer("latent_position", torch.cat((whole, places))[None], persistent=False)

    def forward(self, memories: Tensor, position: Tensor) -> Tensor:
        """Map (B, C, H, W) memories to (B, 2 L, C).

        Parameters
        ----------
        memories
            Of one frame and one object each.
        position
            (1, H * W, C) encoding of their places.
        """
        n = len(memories)
        places = memories.permute(0, 2, 3, 1)  # (B, H, W, C)
        seen = places.flatten(1, 2)
        windows = split_windows(places, self.window).flatten(1, 2)  # (B * windows, places, C)
        whole = self.latents.expand(n, -1, -1)
        local = self.latents_2d.repeat(n, 1)[:, None]  # (B * windows, 1, C)
        for layer in self.layers:
            whole = layer(whole, seen, position)
            local = layer(local, windows, None)
        return self.norm(torch.cat((whole, local.view_as(whole)), dim=1))
