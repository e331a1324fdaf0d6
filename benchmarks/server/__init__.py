"""The object server of the benchmark: nginx with files that look like a bucket."""
