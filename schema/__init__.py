"""The GraphQL API: types, thin resolvers, and the execution of operations."""
