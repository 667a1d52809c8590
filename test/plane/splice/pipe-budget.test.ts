import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Forwarder, openDescriptors } from '../../helpers/forwarder.ts'
import { Backend, dialPeer, echo } from '../../helpers/peer.ts'
import { becomeUser } from '../../helpers/user.ts'

const EPERM = -1
const bulk = randomBytes(16 * 1024 * 1024)

// Root has no budget, so as root nobody sees its end.
const obstacle = unlimited() ?? becomeUser()

function unlimited(): string | null {
  const pages = Number(readFileSync('/proc/sys/fs/pipe-user-pages-soft', 'utf8'))
  return pages === 0 ? 'fs.pipe-user-pages-soft is off' : null
}

function asUser(claim: string, run: (t: ExecutionContext) => Promise<void>): void {
  if (obstacle === null) test.serial(claim, run)
  else test.skip(`${claim} (${obstacle})`, run)
}

/** Sends bulk through a forwarder and back. `most`: the pipes that it had at any look, and then. */
async function passBulk() {
  const backend = await Backend.start({ onPeer: echo })
  const forwarder = await Forwarder.start({
    plane: 'splice',
    pipesOnLoopback: true,
    endpoints: [backend.port],
  })
  const pipes = async () =>
    (await forwarder.metric('spliceway_pipes{state="used"}')) +
    (await forwarder.metric('spliceway_pipes{state="idle"}'))
  const before = openDescriptors()
  const client = await dialPeer(forwarder.port)
  let most = 0
  const look = async () => {
    most = Math.max(most, await pipes())
  }
  const looking = setInterval(() => void look(), 5)
  client.end(bulk)
  const { bytes, ending } = await client.readAll()
  clearInterval(looking)
  await look()
  const { cause, bytesUp, bytesDown } = await forwarder.outcome()
  client.socket.destroy()
  await backend.close()
  const left = most * 2 // descriptors of pipes that wait for the next connection
  await forwarder.until(() => openDescriptors() <= before + left)
  await forwarder.close()
  return { same: bytes.equals(bulk), ending: `${ending}`, cause: `${cause}`, bytesUp, bytesDown, most }
}

/** Another process of this user that holds all the pages there are. Ends with `end()`. */
async function eater(): Promise<{ readonly errno: number; end(): Promise<void> }> {
  const child = fork(new URL('./eat-pipes.ts', import.meta.url), { execArgv: [] })
  const [said]: { readonly errno: number }[] = await once(child, 'message')
  return {
    errno: said?.errno ?? 0,
    async end() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

const whole = { same: true, ending: 'fin', cause: 'none', bytesUp: bulk.length, bytesDown: bulk.length }

asUser('a user with a budget of pages has pipes', async (t) => {
  t.not(process.getuid?.(), 0)
  const { most, ...carried } = await passBulk()
  t.deepEqual(carried, whole)
  t.true(most > 0)
})

asUser('where another process has used up the budget, bulk goes through recv and send, whole', async (t) => {
  const { errno, end } = await eater()
  t.is(errno, EPERM, 'new pipes are smaller than 64 KiB and must not grow')
  const { most, ...carried } = await passBulk()
  await end()
  t.deepEqual(carried, whole)
  t.is(most, 0)
})

asUser('and when it is gone, a program that starts has pipes again', async (t) => {
  const { most, ...carried } = await passBulk()
  t.deepEqual(carried, whole)
  t.true(most > 0)
})
