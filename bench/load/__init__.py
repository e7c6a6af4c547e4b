"""The load: a process of its own (`python -m bench.load`), one module for each kind."""
