"""Saving, autosaving and opening sessions."""
