"""Movies and stacks as frames: axes, calibration, appearance and lazy pyramids."""
