"""What is open between us and a client, a WebSocket or a stream over HTTP: what both share."""
