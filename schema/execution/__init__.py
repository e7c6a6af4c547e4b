"""Running operations: documents prepared once, graphql-core called directly, errors masked at one edge."""
