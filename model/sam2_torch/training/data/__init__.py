"""Labelled movies, and the clips and batches that are cut from them."""
