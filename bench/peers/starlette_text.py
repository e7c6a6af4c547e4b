"""The bare relay: Starlette's WebSockets on Uvicorn pass text on, and nothing is read but whom it is for.

A frame is `NAME TEXT`; NAME is sent `SENDER TEXT`. No JSON, no answer to the sender: what is left is the price of two frames in
Python. `python -m bench.peers.starlette_text PORT` serves it.
"""

from __future__ import annotations

from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.relay import serve

PATH = "/text/{user}"
_users: dict[str, WebSocket] = {}


async def relay(socket: WebSocket) -> None:
    """One connection, to its end."""
    user = socket.path_params["user"]
    _users[user] = socket
    await socket.accept()
    try:
        while True:
            to, _, text = (await socket.receive_text()).partition(" ")
            if (receiver := _users.get(to)) is not None:
                await receiver.send_text(f"{user} {text}")
    except WebSocketDisconnect:
        return
    finally:
        del _users[user]


if __name__ == "__main__":
    serve(PATH, relay)
