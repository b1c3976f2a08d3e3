"""Tracks and their lineage: operations, measurements, division detection and suggestions."""
