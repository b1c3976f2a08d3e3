"""Choosing, downloading and describing the model."""
