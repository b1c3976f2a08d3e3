"""The tab *Tune* of the dock."""
