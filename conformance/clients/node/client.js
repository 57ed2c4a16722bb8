// kafkajs against a broker: commands in, answers out (see conformance/README.md).
'use strict'

const fs = require('fs')
const path = require('path')
const readline = require('readline')

const installed = name => require(require.resolve(name, { paths: [process.env.KLAMM_NODE || process.cwd()] }))
const kafkajs = installed('kafkajs')
const zstd = installed('@bokuweb/zstd-wasm')
const lz4 = installed('lz4-napi')
const inside = name => installed(path.join('kafkajs/src', name))

const { CompressionTypes, CompressionCodecs } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = installed('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrameSync(encoder.buffer),
  decompress: async buffer => lz4.decompressFrameSync(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
})

const WAIT_MS = 60_000
const COMPRESSION = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }
const unhex = text => (text === null ? null : Buffer.from(text, 'hex'))
const enhex = data => (data === null || data === undefined ? null : Buffer.from(data).toString('hex'))

const bootstrap = process.argv[2]
const options = { brokers: [bootstrap], clientId: 'klamm-conformance', logLevel: kafkajs.logLevel.WARN }
const kafka = new kafkajs.Kafka(options)

async function using(client, act) {
  await client.connect()
  try {
    return await act(client)
  } finally {
    await client.disconnect()
  }
}

// kafkajs headers are a map; a name that repeats has a list of values.
const toHeaders = pairs =>
  pairs.reduce((map, [name, value]) => {
    const data = unhex(value)
    map[name] = name in map ? [].concat(map[name], data) : data
    return map
  }, {})
const fromHeaders = map =>
  Object.entries(map || {}).flatMap(([name, values]) => [].concat(values).map(value => [name, enhex(value)]))

// kafkajs consumes in groups only; its cluster and broker classes fetch one partition without.
async function withLeader(topic, partition, act) {
  const Cluster = inside('cluster')
  const { createLogger, LEVELS } = inside('loggers')
  const cluster = new Cluster({
    ...options,
    logger: createLogger({ level: LEVELS.WARN, logCreator: inside('loggers/console') }),
    socketFactory: inside('network/socketFactory')(),
    connectionTimeout: 5_000,
    enforceRequestTimeout: true,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: true,
  })
  return using(cluster, async () => {
    await cluster.addTargetTopic(topic)
    const leaders = cluster.findLeaderForPartitions(topic, [partition])
    return act(await cluster.findBroker({ nodeId: Object.keys(leaders)[0] }))
  })
}

async function fetchOnce(broker, topic, partition, fetchOffset, maxWaitTime) {
  const partitions = [{ partition, fetchOffset: String(fetchOffset), maxBytes: 1024 * 1024 }]
  const answer = await broker.fetch({
    replicaId: -1,
    isolationLevel: 1,
    maxWaitTime,
    minBytes: 1,
    maxBytes: 10 * 1024 * 1024,
    topics: [{ topic, partitions }],
  })
  // A fetch from the middle of a batch brings the whole batch.
  return answer.responses[0].partitions[0].messages.filter(m => !m.isControlRecord && Number(m.offset) >= fetchOffset)
}

const members = new Map()

// A member of a group: kafkajs tells of rebalances by events, and runs by itself.
class Member {
  constructor({ group, topic, auto_commit = false, session_ms = 6000 }) {
    Object.assign(this, { topic, autoCommit: auto_commit, assigned: [], events: [], records: [], error: null })
    this.consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: session_ms,
      heartbeatInterval: 300,
      maxWaitTimeInMs: 100,
      retry: { initialRetryTime: 50 },
    })
    const { GROUP_JOIN, REBALANCING, CRASH } = this.consumer.events
    this.consumer.on(REBALANCING, () => this.saw('revoked', []))
    this.consumer.on(GROUP_JOIN, ({ payload }) => this.saw('assigned', payload.memberAssignment[topic] || []))
    this.consumer.on(CRASH, ({ payload }) => (this.error = String(payload.error)))
  }

  saw(what, partitions) {
    this.events.push([what, what === 'revoked' ? this.assigned : [...partitions].sort()])
    this.assigned = [...partitions].sort()
  }

  async start(reset) {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: reset === 'earliest' })
    const eachMessage = async ({ partition, message }) => this.records.push([partition, Number(message.offset)])
    await this.consumer.run({ autoCommit: this.autoCommit, autoCommitInterval: 500, eachMessage })
  }
}

const admin = act => using(kafka.admin({ retry: { retries: 2 } }), act)

const commands = {
  async produce({ topic, partition = 0, compression = 'none', acks = 'all', idempotence = false, records }) {
    const messages = fs
      .readFileSync(records, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(JSON.parse)
      .map(({ key, value, headers, timestamp }) => ({
        partition,
        key: unhex(key),
        value: unhex(value),
        headers: toHeaders(headers),
        timestamp: String(timestamp),
      }))
    const producer = kafka.producer({ idempotent: idempotence, maxInFlightRequests: 1 })
    return using(producer, async () => {
      const offsets = []
      // One request is one batch in kafkajs: several, each below the broker's limit.
      for (let from = 0; from < messages.length; from += 16) {
        const some = messages.slice(from, from + 16)
        const type = CompressionTypes[COMPRESSION[compression]]
        const [answer] = await producer.send({
          topic,
          messages: some,
          compression: type,
          acks: acks === 'all' ? -1 : Number(acks),
        })
        const base = answer ? Number(answer.baseOffset) : NaN
        some.forEach((_, i) => offsets.push(answer ? base + i : -1))
      }
      return { offsets }
    })
  },

  async consume({ topic, partition = 0, start = 'earliest', count, records }) {
    return withLeader(topic, partition, async broker => {
      let next = start === 'earliest' ? (await commands.offsets({ topic, partition, at: 'earliest' })).offset : start
      const got = []
      const deadline = Date.now() + WAIT_MS
      while (got.length < count && Date.now() < deadline) {
        const messages = await fetchOnce(broker, topic, partition, next, 500)
        got.push(...messages)
        if (messages.length) next = Number(messages.at(-1).offset) + 1
      }
      const lines = got.map(({ offset, timestamp, key, value, headers }) =>
        JSON.stringify({
          offset: Number(offset),
          timestamp: Number(timestamp),
          key: enhex(key),
          value: enhex(value),
          headers: fromHeaders(headers),
        })
      )
      fs.writeFileSync(records, lines.map(line => line + '\n').join(''))
      return { count: got.length }
    })
  },

  async offsets({ topic, partition = 0, at }) {
    return admin(async client => {
      if (at === 'earliest' || at === 'latest') {
        const found = (await client.fetchTopicOffsets(topic)).find(each => each.partition === partition)
        return { offset: Number(at === 'earliest' ? found.low : found.high) }
      }
      const found = await client.fetchTopicOffsetsByTimestamp(topic, at)
      return { offset: Number(found.find(each => each.partition === partition).offset) }
    })
  },

  async create({ topic, partitions = 1, configs = {} }) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const topics = [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }]
    const created = await admin(client => client.createTopics({ topics, waitForLeaders: true }))
    // kafkajs says false, and no more, where the topic exists.
    if (!created) throw Object.assign(new Error('the topic exists'), { code: 36 })
  },

  async delete({ topic }) {
    await admin(client => client.deleteTopics({ topics: [topic] }))
  },

  async metadata() {
    return admin(async client => {
      const { brokers } = await client.describeCluster()
      const { topics } = await client.fetchTopicMetadata()
      return {
        brokers: brokers.map(b => [b.nodeId, b.host, b.port]),
        topics: Object.fromEntries(
          topics.map(t => [t.name, t.partitions.map(p => [p.partitionId, p.leader]).sort((a, b) => a[0] - b[0])])
        ),
      }
    })
  },

  async join({ member, strategy = 'range', instance = null, reset = 'earliest', ...rest }) {
    if (instance !== null) throw Object.assign(new Error(), { unsupported: 'kafkajs has no static members' })
    if (strategy !== 'roundrobin') throw Object.assign(new Error(), { unsupported: `kafkajs has no ${strategy}` })
    const entered = new Member(rest)
    members.set(member, entered)
    await entered.start(reset)
  },

  async state({ member }) {
    const { assigned, events, records, error } = members.get(member)
    return { assigned, events, records, error }
  },

  async leave({ member }) {
    await members.get(member).consumer.disconnect()
    members.delete(member)
  },

  async pause({ member, partitions }) {
    const { consumer, topic } = members.get(member)
    consumer.pause([{ topic, partitions }])
  },

  async resume({ member, partitions }) {
    const { consumer, topic } = members.get(member)
    consumer.resume([{ topic, partitions }])
  },

  async seek({ member, partition, offset }) {
    const { consumer, topic } = members.get(member)
    consumer.seek({ topic, partition, offset: String(offset) })
  },

  async commit({ member, offsets }) {
    const { consumer, topic } = members.get(member)
    const wanted = offsets.map(([partition, offset, metadata]) => ({ topic, partition, offset: String(offset), metadata }))
    await consumer.commitOffsets(wanted)
  },

  async committed({ group, topic }) {
    const [{ partitions }] = await admin(client => client.fetchOffsets({ groupId: group, topics: [topic] }))
    const offsets = partitions.filter(({ offset }) => offset !== '-1')
    return { offsets: offsets.map(p => [p.partition, Number(p.offset), p.metadata || '']).sort((a, b) => a[0] - b[0]) }
  },

  async wake({ topic, partition = 0 }) {
    return using(kafka.producer(), async producer => {
      const send = () => producer.send({ topic, messages: [{ partition, value: 'wake' }] })
      await send()
      return withLeader(topic, partition, async broker => {
        const { offset } = await commands.offsets({ topic, partition, at: 'latest' })
        let sent
        const later = new Promise(resolve => setTimeout(resolve, 1500)).then(() => {
          sent = Date.now()
          return send()
        })
        const messages = await fetchOnce(broker, topic, partition, offset, 10_000)
        const ms = Date.now() - sent
        await later
        if (messages.length !== 1) throw new Error(`${messages.length} records instead of 1 after ${ms} ms`)
        return { ms }
      })
    })
  },
}

// The code of the error that the broker gave, however deep kafkajs wrapped it.
const codeOf = error =>
  !error ? null : error.code ?? codeOf(error.errors && error.errors[0]) ?? codeOf(error.cause) ?? null

async function main() {
  await zstd.init()
  const lines = process.argv.length > 3 ? process.argv.slice(3) : readline.createInterface({ input: process.stdin })
  for await (const line of lines) {
    let answer
    try {
      const { do: name, ...rest } = JSON.parse(line)
      answer = { ok: true, ...(await commands[name](rest)) }
    } catch (error) {
      const { unsupported } = error
      answer = unsupported ? { ok: false, unsupported } : { ok: false, code: codeOf(error), error: String(error) }
    }
    console.log(JSON.stringify(answer))
  }
}

main().then(() => process.exit(0))
