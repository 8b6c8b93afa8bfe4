"""How fast: throughput is measured by benchmarks, never by timing a test.

- what is measured: `cases` (as data, from ``shapes.toml``), `models`, `packed` (rows of tokens)
- one measurement: `by_trainer` and `by_hand` train in turns, `windows` times their steps, `devices`
  knows the card, `flops` counts operations; `measuring` puts them together
- in fresh processes: `fresh_process` starts `worker`, with smaller micro-batches where memory ran
  out; `bench` is the suite's fixture
- what it says: `figures` of one measurement, `statistics`, `comparing` of two records, `turns` of
  two stacks; `pytest_benchmark_file` writes what pytest-benchmark reads

`test_trainings` is another matter: what observing a tiny training costs (``nox -s bench``).
"""
