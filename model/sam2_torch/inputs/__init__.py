"""Frames, coordinate transforms, prompt tensors and crop windows: what the network is given."""
