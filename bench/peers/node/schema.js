// The schema of every GraphQL peer, made by hand in graphql-js, and its resolvers over whatever `context` passes events on with:
// `context.user`, `context.send(topic, event) -> boolean` and `context.follow(topic, first) -> AsyncIterable`.
import { randomUUID } from 'node:crypto'
import {
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql'

const required = (type) => ({ type: new GraphQLNonNull(type) })

const Signal = new GraphQLObjectType({
  name: 'Signal',
  fields: { id: required(GraphQLID), sender: required(GraphQLID), payload: required(GraphQLString) },
})
const SendSignalSuccess = new GraphQLObjectType({ name: 'SendSignalSuccess', fields: { id: required(GraphQLID) } })
const Stats = new GraphQLObjectType({
  name: 'Stats',
  fields: {
    online: required(GraphQLInt),
    waiting: required(GraphQLInt),
    inCall: required(GraphQLInt),
    openRooms: required(GraphQLInt),
    matchesLastHour: required(GraphQLInt),
    medianWaitSeconds: { type: GraphQLFloat },
  },
})

const STATS = 'all: stats' // no user's name: theirs have no colon
const stats = { online: 0, waiting: 0, inCall: 0, openRooms: 0, matchesLastHour: 0, medianWaitSeconds: null }

export const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: { stats: { ...required(Stats), resolve: () => stats } },
  }),
  mutation: new GraphQLObjectType({
    name: 'Mutation',
    fields: {
      sendSignal: {
        ...required(SendSignalSuccess),
        args: { to: required(GraphQLID), payload: required(GraphQLString) },
        resolve: (_, { to, payload }, context) => {
          const id = randomUUID()
          context.send(to, { inbox: { id, sender: context.user, payload } })
          return { id }
        },
      },
      setWaiting: {
        ...required(Stats),
        args: { waiting: required(GraphQLInt) },
        resolve: (_, { waiting }, context) => {
          stats.waiting = waiting
          context.send(STATS, { stats: { ...stats } })
          return stats
        },
      },
    },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      inbox: {
        ...required(Signal),
        // The first event says that it is followed, as Parley's snapshot does.
        subscribe: (_, __, context) => context.follow(context.user, { inbox: { id: '', sender: '', payload: '' } }),
      },
      stats: { ...required(Stats), subscribe: (_, __, context) => context.follow(STATS, { stats: { ...stats } }) },
    },
  }),
})
