"""Compiled modules."""
