// graphql-ws with graphql-js on `ws`. `node graphql_ws.js [cached] PORT`; cached: each document is parsed and validated once.
import { getOperationAST, GraphQLError, parse, validate } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

import { schema } from './schema.js'
import { BACKLOG, HOST, plain, PORT, userOf } from './server.js'
import { follow, send } from './topics.js'

const documents = new Map()

function validated(query) {
  let document = documents.get(query)
  if (document === undefined) {
    document = parse(query)
    const errors = validate(schema, document)
    if (errors.length > 0) return errors
    documents.set(query, document)
  }
  return document
}

function cached(ctx, _, { query, operationName, variables }) {
  const document = validated(query)
  if (Array.isArray(document)) return document
  if (!getOperationAST(document, operationName)) return [new GraphQLError('Unable to identify operation')]
  return { schema, document, operationName, variableValues: variables, contextValue: ctx.extra.context }
}

const server = plain()
useServer(
  {
    schema,
    onConnect: (ctx) => {
      ctx.extra.context = { user: userOf(ctx.connectionParams?.authorization), send, follow }
    },
    context: (ctx) => ctx.extra.context,
    ...(process.argv.includes('cached') ? { onSubscribe: cached } : {}),
  },
  new WebSocketServer({ server, path: '/graphql' }),
)
server.listen(PORT, HOST, BACKLOG)
