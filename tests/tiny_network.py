"""The sizes of a network that computes in milliseconds, for tests that train one."""

from sam2_torch import SAM2Config

TINY = SAM2Config(
    image_size=64,
    keep_aspect=True,
    embed_dim=8,
    stages=(1, 1, 1, 1),
    global_blocks=(2,),
    window_sizes=(8, 4, 4, 2),
    background_size=2,
    d_model=64,
    memory_layers=1,
    memory_feedforward=32,
)
