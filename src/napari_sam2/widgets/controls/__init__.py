"""Reusable Qt controls that know nothing of segmentation."""
