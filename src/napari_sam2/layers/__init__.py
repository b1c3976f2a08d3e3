"""napari without Qt: layers to prompts, masks to Labels layers."""
