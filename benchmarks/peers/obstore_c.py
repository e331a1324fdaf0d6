"""obstore_c: libcurl and Cython. The library of this repository."""

from benchmarks.peers.obspec_api import ObstoreApi


class Adapter(ObstoreApi):
    """obstore_c through its functions."""

    module = distribution = "obstore_c"
