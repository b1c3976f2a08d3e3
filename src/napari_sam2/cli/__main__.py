"""`python -m napari_sam2.cli` is `napari-sam2`, for launchers such as torchrun."""

import sys

from napari_sam2.cli import main

if __name__ == "__main__":
    sys.exit(main())
