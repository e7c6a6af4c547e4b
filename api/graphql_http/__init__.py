"""GraphQL over HTTP: JSON, and streams as events (`text/event-stream`) or parts (`multipart/mixed`)."""
