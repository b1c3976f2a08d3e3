"""Load and save checkpoints: file layouts, architectures and safe unpickling."""
