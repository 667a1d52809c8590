import koffi from 'koffi'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOL_SOCKET } from '../../src/linux/constants.ts'
import { loadLibc } from '../../src/linux/load-libc.ts'
import { unixAddress } from '../../src/linux/unix-address.ts'

const patienceMs = 30_000
const pollMs = 10
/** sys/socket.h */
const SO_PASSCRED = 16
const longestMessage = 4_096

/** A message as systemd receives it: who sent it decides whether `NotifyAccess=main` lets it in. */
export interface Message {
  readonly pid: number
  /** The whole datagram. */
  readonly text: string
}

const lib = koffi.load('libc.so.6')
const call = {
  socket: lib.func('int socket(int, int, int)'),
  bind: lib.func('int bind(int, uintptr_t, uint32_t)'),
  setsockopt: lib.func('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
  recvmsg: lib.func('int64_t recvmsg(int, uintptr_t, int)'),
  close: lib.func('int close(int)'),
}

/** What systemd listens on, for a test: the socket that $NOTIFY_SOCKET names. Whoever opens it closes it. */
export class NotifySocket {
  /** In the order of their arrival. */
  readonly messages: Message[] = []
  readonly name: string
  readonly #fd: number
  readonly #timer: NodeJS.Timeout

  /** `name`: a path, or `@name`. Throws when the name is taken. */
  constructor(name: string) {
    this.name = name
    this.#fd = call.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    const bytes = unixAddress(name) ?? Buffer.alloc(0)
    const address = block(bytes.length)
    address.bytes.set(bytes)
    const one = block(4)
    one.view.setInt32(0, 1, true)
    call.setsockopt(this.#fd, SOL_SOCKET, SO_PASSCRED, one.at(0, 4), 4)
    if (call.bind(this.#fd, address.at(0, bytes.length), bytes.length) !== 0) {
      call.close(this.#fd)
      throw new Error(`bind ${name}: errno ${koffi.errno()}`)
    }
    this.#timer = setInterval(() => this.#receive(), pollMs)
  }

  /** The first message that matches, past (not before message `from`) or future. Rejects when it takes too long. */
  async message(pattern: RegExp, from = 0): Promise<Message> {
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      const found = this.messages.slice(from).find(({ text }) => pattern.test(text))
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
    throw new Error(`waited for ${pattern}, and got ${JSON.stringify(this.messages)}`)
  }

  close(): void {
    clearInterval(this.#timer)
    call.close(this.#fd)
  }

  #receive(): void {
    const text = block(longestMessage)
    // struct iovec; struct cmsghdr with struct ucred {pid, uid, gid}; struct msghdr, whose tail is flags and padding.
    const vector = block(16)
    vector.view.setBigUint64(0, BigInt(text.at(0, longestMessage)), true)
    vector.view.setBigUint64(8, BigInt(longestMessage), true)
    const control = block(32)
    const header = block(56)
    header.view.setBigUint64(16, BigInt(vector.at(0, 16)), true)
    header.view.setBigUint64(24, 1n, true)
    header.view.setBigUint64(32, BigInt(control.at(0, 32)), true)
    for (;;) {
      header.view.setBigUint64(40, 32n, true)
      const length = call.recvmsg(this.#fd, header.at(0, 56), 0)
      if (length < 0) return
      this.messages.push({
        pid: control.view.getInt32(16, true),
        text: text.bytes.toString('utf8', 0, length),
      })
    }
  }
}

function block(size: number) {
  const loaded = loadLibc()
  if (loaded.kind === 'missing') throw new Error(loaded.reason)
  return loaded.libc.block(size)
}
