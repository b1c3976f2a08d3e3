"""Loading and saving checkpoints: layouts, architectures and safe unpickling."""
