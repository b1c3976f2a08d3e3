"""`python tools/train_in_slices`: see `slices`."""

import sys

from slices import main

if __name__ == "__main__":
    sys.exit(main())
