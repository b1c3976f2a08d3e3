"""The dock "Tune to my data"."""
