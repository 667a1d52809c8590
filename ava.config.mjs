import { fileURLToPath } from 'node:url'

/**
 * What Node made of each file of this program, types stripped, is kept for the next thread or process that reads it: a suite
 * starts the program a thousand times, and a third of its time was this.
 */
export const environmentVariables = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/node-compile', import.meta.url)),
}

/** `npm test`: at every change. */
export default {
  extensions: ['ts'],
  files: ['test/**/*.test.ts', '!test/slow/**'],
  workerThreads: false,
  // Most of a test is waiting for something; AVA's own choice is two in CI.
  concurrency: 3,
  environmentVariables,
  timeout: '60s',
}
