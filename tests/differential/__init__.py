"""Generated operations, run by our executor and by graphql-core itself: both must give the same.

`documents` writes operations over any schema, `variables` what a client sends with them, `world` what resolvers find,
`reference` runs them on graphql-core, and `comparing` looks for a difference.
"""
