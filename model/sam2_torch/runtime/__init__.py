"""Runtime of inference: devices, host copies, CUDA graphs, inference steps and interruption."""
