import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { pureSpecs } from './spec/runner/pure.mjs'

/** Specs run on tsc's output, so that they are type-checked and need no transformer. */
const specs = fileURLToPath(new URL('dist/spec/', import.meta.url))
const pure = pureSpecs(specs)

const project = {
  rootDir: fileURLToPath(new URL('.', import.meta.url)),
  roots: [specs],
  transform: {},
  testEnvironment: 'node',
  runner: '<rootDir>/spec/runner/runner.mjs',
}

export default {
  projects: [
    { ...project, displayName: 'pure', testMatch: pure },
    {
      ...project,
      displayName: 'native',
      testMatch: ['**/*.spec.js'],
      testPathIgnorePatterns: pure.map(path => `^${path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
    },
  ],
  testTimeout: 120_000,
  maxWorkers: availableParallelism() + 1,
  reporters: ['default', '<rootDir>/spec/runner/closing-reporter.mjs'],
}
