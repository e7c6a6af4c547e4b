// Socket.IO over its WebSocket transport, with an acknowledgement for each signal. `node socket_io.js PORT`.
import { randomUUID } from 'node:crypto'
import { Server } from 'socket.io'

import { BACKLOG, HOST, plain, PORT, userOf } from './server.js'

const users = new Map()
const server = plain()
new Server(server, { transports: ['websocket'] }).on('connection', (socket) => {
  const user = userOf(socket.handshake.auth.authorization)
  users.set(user, socket)
  socket.on('disconnect', () => users.delete(user))
  socket.on('sendSignal', (to, payload, acknowledge) => {
    const id = randomUUID()
    users.get(to)?.emit('signal', { id, sender: user, payload })
    acknowledge(id)
  })
})
server.listen(PORT, HOST, BACKLOG)
