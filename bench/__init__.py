"""The benchmarks: ratios measured within one run, never timed assertions."""
