"""The GraphQL API: types, thin resolvers, and the execution of operations.

`schema.api.schema` is the whole; this module stays empty so that a part can be imported without the others.
"""
