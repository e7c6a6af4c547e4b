/** Of clients that hand on results as they come, to a sink: graphql-ws, and graphql-sse which was written after it. */

export function using(client) {
  return {
    run: (query, variables) =>
      new Promise((resolve, reject) => {
        let result;
        client.subscribe(
          { query, variables },
          {
            next: (one) => (result = one),
            error: reject,
            complete: () => (result.errors ? reject(result.errors) : resolve(result.data)),
          },
        );
      }),
    follow: (query, variables, { next, error, complete }) =>
      client.subscribe(
        { query, variables },
        { next: (result) => (result.errors ? error(result.errors) : next(result.data)), error, complete },
      ),
    close: () => client.dispose(),
  };
}
