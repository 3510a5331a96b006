/** Specs run on tsc's output, so that they are type-checked and need no transformer. */
export default {
  roots: ['<rootDir>/dist/spec'],
  testMatch: ['**/*.spec.js'],
  transform: {},
  testEnvironment: 'node',
  testTimeout: 30_000,
  // Each file in a process of its own, as native code is used: what one leaves behind is none of the next one's business, and
  // one that ends its process costs that file, by name, and not the run.
  workerIdleMemoryLimit: 0,
  // node-datachannel keeps threads of its own, which may hold the process (seen on Node 24) after every connection has been
  // closed. That nothing of ours is left is what specs show, by the handles that they count.
  forceExit: true,
  reporters: ['default', '<rootDir>/spec/support/closing-reporter.mjs'],
}
