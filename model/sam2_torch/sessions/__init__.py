"""Sessions that hold the state of one image, movie, stack or volume."""
