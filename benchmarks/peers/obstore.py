"""obstore: Rust, tokio and hyper. The baseline."""

from benchmarks.peers.obspec_api import ObstoreApi


class Adapter(ObstoreApi):
    """obstore through its functions."""

    module = distribution = "obstore"
