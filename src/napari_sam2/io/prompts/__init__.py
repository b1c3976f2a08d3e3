"""Readers for prompts: CSV tables and label images."""
