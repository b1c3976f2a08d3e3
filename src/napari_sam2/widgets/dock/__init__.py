"""The dock *SAM 2*: what all of its tabs share, and the tabs."""
