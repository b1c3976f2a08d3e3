"""Saved sessions: the file format, and the prompts and tracks in it."""
