"""Training: clips, simulated prompts, losses and the loop; on one machine or several.

Nothing is imported here. `finetuning.tune` is what `napari-sam2 train` calls; the project's own
network is trained by `tools/train_in_slices`.
"""
