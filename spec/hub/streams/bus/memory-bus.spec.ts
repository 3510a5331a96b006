import { memoryBus } from '../../../../src/hub/streams/bus/memory-bus.js'
import { describeHubBus } from '../../bus.contract.js'

describeHubBus('one process', async () => {
  const bus = memoryBus()
  return [bus, bus]
})
