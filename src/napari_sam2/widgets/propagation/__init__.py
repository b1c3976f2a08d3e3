"""The propagation controls, with run estimate and run report."""
