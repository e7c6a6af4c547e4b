"""PostgreSQL, the inbox and the bus behind the ports of `domain`."""
