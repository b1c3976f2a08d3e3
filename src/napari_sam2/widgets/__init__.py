"""Qt: widgets connect what the user does with what the rest decides."""
