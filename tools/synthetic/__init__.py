"""Synthetic microscopy: movies and stacks with known objects, in any number."""

from synthetic.movie import KINDS, draw_movie

__all__ = ["KINDS", "draw_movie"]
