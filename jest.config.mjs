/** Specs run on tsc's output, so that they are type-checked and need no transformer. */
export default {
  roots: ['<rootDir>/dist/spec'],
  testMatch: ['**/*.spec.js'],
  transform: {},
  testEnvironment: 'node',
  testTimeout: 30_000,
  // node-datachannel keeps threads of its own, which may hold the process (seen on Node 24) after every connection has been
  // closed. That nothing of ours is left is what specs show, by the handles that they count.
  forceExit: true,
  reporters: ['default', '<rootDir>/spec/support/closing-reporter.mjs'],
}
