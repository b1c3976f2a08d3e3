"""The tab *All cells* of the dock."""
