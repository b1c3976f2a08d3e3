"""Training: clips, simulated prompts, losses and the loop; on one computer or several.

Nothing is imported here. `napari-sam2 train` calls `finetuning.tune`; the project's own network
is trained by `tools/train_in_slices.py`.
"""
