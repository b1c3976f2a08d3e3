"""The annotator that all docks of a viewer share, and its parts."""
