"""Makes `benchmarks` importable: last on the path, so that obstore_c stays the installed one."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
