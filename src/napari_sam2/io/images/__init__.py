"""Readers for images, videos and Zarr stores."""
