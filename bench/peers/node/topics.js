// Events by topic, in memory: as little as an async iterator per reader can cost. It is what graphql-ws is given to pass events on with.
const readers = new Map()

/** Puts an event into the queue of everybody who follows the topic. */
export function send(topic, event) {
  const following = readers.get(topic)
  if (following !== undefined) for (const reader of following) reader.push(event)
}

/** The events of a topic from now on, `first` before them. */
export function follow(topic, first) {
  const reader = new Reader(topic)
  reader.push(first)
  if (!readers.has(topic)) readers.set(topic, new Set())
  readers.get(topic).add(reader)
  return reader
}

class Reader {
  queue = []
  waiting = null

  constructor(topic) {
    this.topic = topic
  }

  push(value) {
    if (this.waiting === null) {
      this.queue.push(value)
      return
    }
    const wake = this.waiting
    this.waiting = null
    wake({ value, done: false })
  }

  next() {
    if (this.queue.length > 0) return Promise.resolve({ value: this.queue.shift(), done: false })
    return new Promise((resolve) => {
      this.waiting = resolve
    })
  }

  return() {
    readers.get(this.topic)?.delete(this)
    this.waiting?.({ value: undefined, done: true })
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator]() {
    return this
  }
}
