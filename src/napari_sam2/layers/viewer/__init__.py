"""Viewer geometry, camera, colours and warm-up."""
