"""The tab *Tracks* of the dock."""
