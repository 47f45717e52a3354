"""`python -m benchmarks.staleness [--markdown FILE]`."""

from benchmarks.staleness import main

main()
