"""A PostgreSQL of our own: in one folder, on a private Unix socket, started and stopped with the server."""

from persistence.embedded.beside import embedded_beside
from persistence.embedded.errors import DataDirectoryInUse, EmbeddedPostgresError
from persistence.embedded.server import EmbeddedPostgres, embedded_postgres

__all__ = ["DataDirectoryInUse", "EmbeddedPostgres", "EmbeddedPostgresError", "embedded_beside", "embedded_postgres"]
