"""How fast obstore_c is beside its peers: `python -m benchmarks --help`."""
