"""Masklets (the sparse masks of objects over time), their statistics and quality."""
