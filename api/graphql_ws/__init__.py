"""GraphQL over WebSocket: `graphql-transport-ws` and nothing else."""
