"""Synthetic microscopy: movies and stacks of known objects, as many as are wanted."""

from sam2_torch.training.synthetic.movie import KINDS, draw_movie

__all__ = ["KINDS", "draw_movie"]
