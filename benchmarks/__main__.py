"""Entry of `python -m benchmarks`, and of `python benchmarks`, which works in safe-path mode as well."""

import sys
from pathlib import Path

if not __package__:
    # Last, so that obstore_c is the installed one and never the folder beside this.
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks.cli import main

if __name__ == "__main__":
    sys.exit(main())
