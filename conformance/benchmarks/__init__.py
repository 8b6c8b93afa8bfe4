"""How fast: benchmarks, never timed tests."""
