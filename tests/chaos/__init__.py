"""Chaos: people talk through several real servers while those, the bus, the database and the network between them fail.

`python -m tests.chaos` runs it, prints what it did and counted, and says by its exit code whether every promise held.
"""
