"""Running operations: documents prepared once, compiled into plans when they first run, errors masked at one edge."""
