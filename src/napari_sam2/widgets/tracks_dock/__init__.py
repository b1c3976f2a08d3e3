"""The dock "Tracks and numbers"."""
