#!/usr/bin/env node
// Plain JavaScript: an old Node must be able to read this far and say what to do.
import { accessSync, constants, mkdirSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const wanted = 26
const found = Number.parseInt(process.versions.node, 10)
if (found < wanted) {
  process.stderr.write(
    `spliceway: needs Node.js ${wanted} or newer, this is ${process.version} (${process.execPath})\n` +
      `  in a checkout: npm ci brings Node ${wanted}, and bin/spliceway starts with it\n`,
  )
  process.exit(78)
}

// Stripped and compiled modules are kept between starts: about 190 ms and 50 MB less a start
// (bench/startup.ts). Only in a folder that belongs to the installation or to the service: in a shared folder
// such as /tmp anyone could plant code.
const cache =
  process.env.NODE_COMPILE_CACHE ??
  (process.env.CACHE_DIRECTORY
    ? `${process.env.CACHE_DIRECTORY}/compile`
    : fileURLToPath(new URL('../node_modules/.cache/spliceway', import.meta.url)))
try {
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  accessSync(cache, constants.R_OK)
  module.enableCompileCache(cache)
  process.env.NODE_COMPILE_CACHE = cache // worker threads read it from here
} catch {
  // No cache then: slower to start, nothing else.
}

// Node opens a debugger at SIGUSR1, to every local user. `--disable-sigusr1` is for whoever starts us, and
// not known to an old Node; from here on the signal does nothing either way.
process.on('SIGUSR1', () => {})

// What ps, ss and pgrep show, and what a process that finds its port taken reads about us.
process.title = 'spliceway'

const { main } = await import('./main.ts')
await main(process.argv.slice(2))
