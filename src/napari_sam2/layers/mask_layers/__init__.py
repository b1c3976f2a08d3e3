"""Labels layers that show masks, candidates and outlines."""
