"""The parts of a corpus: what is trained on, what thresholds and attacks are tuned on, what is tested."""

SPLITS = ("train", "valid", "test")
