"""The dock "Segment and track"."""
