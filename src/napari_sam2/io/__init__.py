"""Files in and out: images, prompts, saved sessions, tracked objects, training data."""
