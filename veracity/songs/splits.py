"""Splits of a corpus: for training, for tuning thresholds and attacks, and for testing."""

SPLITS = ("train", "valid", "test")
