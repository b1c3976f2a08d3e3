"""Training: clips, simulated prompts, losses and the loop; on one machine or several.

Nothing is imported here: `python -m sam2_torch.training` is the command, `tuning.tune` the
function behind it.
"""
