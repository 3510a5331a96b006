import { describeSession } from './session.js'
import { pairKinds } from './support/pairs.js'

for (const { name, make } of pairKinds) describeSession(name, make)
