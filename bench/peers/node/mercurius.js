// Mercurius with its JIT on Fastify; everything goes over its own WebSocket and its own pub/sub. `node mercurius.js PORT`.
import Fastify from 'fastify'
import mercurius from 'mercurius'

import { schema } from './schema.js'
import { BACKLOG, HOST, PORT, userOf } from './server.js'

// `this` is the context that Mercurius made, with its `pubsub`.
function send(topic, payload) {
  this.pubsub.publish({ topic, payload })
}

async function follow(topic, first) {
  const events = await this.pubsub.subscribe(topic)
  events.push(first)
  return events
}

const app = Fastify()
app.register(mercurius, {
  schema,
  jit: 1,
  subscription: {
    fullWsTransport: true,
    onConnect: ({ payload }) => ({ user: userOf(payload?.authorization), send, follow }),
  },
})
app.get('/readyz', async () => 'ready')
await app.listen({ port: PORT, host: HOST, backlog: BACKLOG })
