"""File formats for tracked objects, lineages and measurements."""
