"""The dock "Segment everything"."""
