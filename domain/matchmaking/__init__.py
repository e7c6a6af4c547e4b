"""Who meets whom: tickets, the pool that proposes, the commit that decides."""
