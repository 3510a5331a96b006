/** Specs run on tsc's output, so that they are type-checked and need no transformer. */
export default {
  roots: ['<rootDir>/dist/spec'],
  testMatch: ['**/*.spec.js'],
  transform: {},
  testEnvironment: 'node',
  testTimeout: 30_000,
  reporters: ['default', '<rootDir>/spec/support/closing-reporter.mjs'],
}
