"""Memory of tracked objects: the memory bank, frame memories and their selection."""
