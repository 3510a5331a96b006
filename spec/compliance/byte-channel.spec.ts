import { describeByteChannel } from './byte-channel.js'
import { pairKinds } from './support/pairs.js'

for (const { name, make } of pairKinds) describeByteChannel(name, make)
