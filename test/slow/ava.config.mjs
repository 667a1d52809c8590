// What takes longer than anyone waits at every change: `npm run test:slow`.
export default {
  extensions: ['ts'],
  files: ['test/slow/**/*.test.ts'],
  workerThreads: false,
  concurrency: 1,
  timeout: '150s',
}
