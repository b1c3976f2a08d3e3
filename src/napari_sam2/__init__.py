"""Segment and track in napari with SAM 2; importing this loads neither torch nor napari."""

__version__ = "0.1.0"
