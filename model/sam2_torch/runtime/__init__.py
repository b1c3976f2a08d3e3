"""How inference runs: devices, host copies, CUDA graphs, inference steps and interruption."""
