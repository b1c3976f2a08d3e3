"""What the axes of the chosen image are, and its calibration."""
