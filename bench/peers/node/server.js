// What the servers of this folder have in common: a port of loopback, the last of the command line, and an answer once they serve.
import { createServer } from 'node:http'

export const HOST = '127.0.0.1'
export const PORT = Number(process.argv.at(-1))
export const BACKLOG = 2048

/** The user of a token, which here is their name: `Bearer NAME`. */
export const userOf = (authorization) => authorization?.slice('Bearer '.length) ?? ''

/** An HTTP server that answers everything with 200; `listen` it when the rest is in place. */
export const plain = () => createServer((_, response) => response.end('ready'))
