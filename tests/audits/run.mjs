// All audits of `graphql-http`, one after the other, against the address that is given: prints a JSON array of what each found.
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
const found = [];
for (const { id, name, fn } of serverAudits({ url })) {
  const result = await fn();
  found.push({ id, name, status: result.status, reason: result.reason ?? null, code: result.response?.status ?? null });
}
console.log(JSON.stringify(found));
