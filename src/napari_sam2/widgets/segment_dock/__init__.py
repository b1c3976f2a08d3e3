"""The tab *Segment* of the dock."""
