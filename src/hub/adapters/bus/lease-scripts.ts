/**
 * Gives a session the lease of its key for two minutes: always when the session has just begun (`take`), otherwise (`renew`) unless a
 * newer session has it. Notifies the process that loses it. ARGV: prefix of the channel names, process, session, sequence number,
 * `take` or `renew`, key, question number. Returns the sequence number (0: a newer session has the lease) and how many were notified.
 */
export const leaseScript = `
local channels, process, session, sequence, how, key, id = unpack(ARGV)
local old = redis.call('hmget', KEYS[1], 'process', 'session', 'sequence')
local known, sequence = tonumber(old[3] or 0), tonumber(sequence)
if old[2] == session then sequence = math.max(sequence, known)
elseif how == 'take' then sequence = math.max(sequence, known + 1)
elseif known >= sequence then return {0, 0} end
redis.call('hset', KEYS[1], 'process', process, 'session', session, 'sequence', string.format('%.0f', sequence))
redis.call('expire', KEYS[1], 120)
if not old[1] or old[1] == process then return {sequence, 0} end
local question = {process = process, id = tonumber(id), pubKey = key, replaced = old[2]}
return {sequence, redis.call('publish', channels .. old[1], cjson.encode(question))}`

/** Releases the lease if this session has it. ARGV: channels, session. */
export const releaseScript = `
if redis.call('hget', KEYS[1], 'session') == ARGV[2] then redis.call('del', KEYS[1]) end`

/** Sends a question to the process that has the lease. ARGV: channels, question. Returns how many received it: 0 or 1. */
export const askScript = `
local process = redis.call('hget', KEYS[1], 'process')
return process and redis.call('publish', ARGV[1] .. process, ARGV[2]) or 0`
