"""Many inputs: which there are, what is written for each, and running them here or on a cluster."""
