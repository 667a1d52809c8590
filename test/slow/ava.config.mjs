import { environmentVariables } from '../../ava.config.mjs'

// What takes longer than anyone waits at every change: `npm run test:slow`.
export default {
  extensions: ['ts'],
  files: ['test/slow/**/*.test.ts'],
  workerThreads: false,
  concurrency: 2,
  environmentVariables,
  timeout: '150s',
}
