"""GraphQL over WebSocket: `graphql-transport-ws` and nothing else."""

from api.graphql_ws.endpoint import GraphQLWebSocket
from api.graphql_ws.limits import SocketLimits
from api.graphql_ws.live import LiveSockets
from api.graphql_ws.socket import GraphQLSocket

__all__ = ["GraphQLSocket", "GraphQLWebSocket", "LiveSockets", "SocketLimits"]
