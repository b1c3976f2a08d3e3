"""The object table, timeline and review of low-confidence masks."""
