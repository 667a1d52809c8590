import { logLevels } from '../core/log.ts'

/**
 * Every command and flag, declared once: what is accepted, help, shell completion and the manual are made of
 * this. A command is one entry here and one line in main.ts, which says what runs it.
 */
export interface Command {
  readonly name: string
  /** run: it is the program or looks at a configuration; ask: it talks to a running process. */
  readonly group: 'run' | 'ask' | 'other'
  /** Its arguments as a usage shows them, `POOL... ENDPOINT drain|ready`; empty: it takes none. */
  readonly args: string
  /** How many arguments there may be. */
  readonly takes: readonly [least: number, most: number]
  /** What a shell offers for an argument. */
  readonly offer: Offer
  /** Half a line: `run with a configuration file`. */
  readonly about: string
  /** Whole sentences for its help and the manual, a paragraph each. */
  readonly more: readonly string[]
  /** Full command lines without the program's name. */
  readonly examples: readonly string[]
  readonly flags: readonly Flag[]
}

export interface Flag {
  /** Without dashes. */
  readonly name: string
  readonly short?: string
  /** What stands for its value: `FILE`; absent: it takes none. */
  readonly value?: string
  /** What a shell offers for its value. */
  readonly offer?: Offer
  readonly about: string
}

/** What a shell offers in the place of a word: files, nothing, or one of these words. */
export type Offer = 'file' | 'nothing' | readonly string[]

export const programAbout = 'carries TCP connections from 80 and 443 to gateways that are alive'

/** The only flag that every command has. */
export const helpFlag: Flag = { name: 'help', short: 'h', about: 'this text' }

const socket: Flag = {
  name: 'socket',
  value: 'PATH',
  offer: 'file',
  about: 'the admin socket of the running process, which its log names at the start',
}
const json: Flag = { name: 'json', about: 'JSON, for programs' }

/** Shells that `completion` knows. */
export const shells = ['bash', 'zsh', 'fish'] as const

const list = [
  {
    name: 'run',
    group: 'run',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'run with a configuration file',
    more: [
      'Runs until a signal or a drain ends it. SIGHUP and a changed file load the configuration again.',
      'Without -c the file is spliceway.yaml in $CONFIGURATION_DIRECTORY, or /etc/spliceway/spliceway.yaml.',
    ],
    examples: ['run -c /etc/spliceway/spliceway.yaml'],
    flags: [
      { name: 'config', short: 'c', value: 'FILE', offer: 'file', about: 'the configuration file (YAML)' },
    ],
  },
  {
    name: 'forward',
    group: 'run',
    args: 'PORT=ENDPOINT[,ENDPOINT...] ...',
    takes: [1, Infinity],
    offer: 'nothing',
    about: 'run without a file',
    more: ['Each argument is a port of this host and the endpoints behind it, in one pool.'],
    examples: ['forward 80=127.0.0.1:9080 443=10.0.0.5:9443,10.0.0.6:9443'],
    flags: [],
  },
  {
    name: 'check',
    group: 'run',
    args: 'FILE',
    takes: [1, 1],
    offer: 'file',
    about: 'say what is wrong with a configuration file',
    more: [
      'Reports every problem at once, each with its place. Of the host it reads this file, and the lists of addresses that it names.',
    ],
    examples: ['check /etc/spliceway/spliceway.yaml'],
    flags: [{ name: 'explain', about: 'print the rules that this host needs for transparent pools' }],
  },
  {
    name: 'doctor',
    group: 'run',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'say what is wrong on this node, and what then works',
    more: [
      'Looks at ports, rules, gateways and limits, and changes nothing; docs/doctor.md explains every finding.',
      'Without -c it looks at what the running process is configured for. Exit code 1 when something blocks.',
    ],
    examples: ['doctor -c /etc/spliceway/spliceway.yaml --probe'],
    flags: [
      { name: 'config', short: 'c', value: 'FILE', offer: 'file', about: 'the configuration file (YAML)' },
      json,
      { name: 'probe', about: 'speak to gateways as well' },
      socket,
    ],
  },
  {
    name: 'demo',
    group: 'run',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'two gateways and a forwarder on unprivileged ports, to try it',
    more: ['Everything that it starts ends with it, at Ctrl-C.'],
    examples: [],
    flags: [],
  },
  {
    name: 'status',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'listeners, endpoints, workers, at a glance',
    more: ['Columns that say nothing are left out, and on a terminal lines are cut where it ends.'],
    examples: [],
    flags: [
      { name: 'output', short: 'o', value: 'wide', offer: ['wide'], about: 'every column, in full' },
      json,
      socket,
    ],
  },
  {
    name: 'top',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'rates, limits, endpoints and clients, live',
    more: [
      'Keys: q ends it; sorted by a connections, b bytes, s what is not up first, e address; c clients or endpoints.',
      'Without a terminal it prints one picture, with the rates of one second.',
    ],
    examples: [],
    flags: [socket],
  },
  {
    name: 'ready',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'exit code 0 when new connections are welcome, else 1 and why',
    more: [],
    examples: [],
    flags: [socket],
  },
  {
    name: 'live',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'exit code 0 while its main loop and every worker show signs of life, else 1 and why',
    more: [],
    examples: [],
    flags: [socket],
  },
  {
    name: 'reload',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'read the configuration file again',
    more: [
      'Waits until the new configuration is in use, and prints which keys it has changed.',
      'A bad one changes nothing, and every problem it has is printed.',
    ],
    examples: [],
    flags: [socket],
  },
  {
    name: 'config',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'the configuration in use, and why another one was refused',
    more: ['It is shown as it was written: variables by their names.'],
    examples: [],
    flags: [json, socket],
  },
  {
    name: 'log',
    group: 'ask',
    args: 'LEVEL',
    takes: [1, 1],
    offer: logLevels,
    about: 'log from this level on: debug, info, warn or error',
    more: ['Until a reload or a restart, when the level of the configuration counts again.'],
    examples: ['log debug'],
    flags: [socket],
  },
  {
    name: 'drain',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'stop gracefully',
    more: ['Begins what SIGTERM begins, and does not wait for its end.'],
    examples: [],
    flags: [socket],
  },
  {
    name: 'upgrade',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'let the version that is installed now take over, without a reset',
    more: [
      'The running process starts it as it was started itself, after a check of the configuration, and hands over.',
      'Needs handover.socket. When the new process fails, the old one serves on, and the exit code is 1.',
    ],
    examples: [],
    flags: [socket],
  },
  {
    name: 'endpoint',
    group: 'ask',
    args: 'POOL... ENDPOINT drain|ready',
    takes: [3, Infinity],
    offer: ['drain', 'ready'],
    about: 'take an endpoint out of use for new connections, and back',
    more: [
      '"spliceway status" lists the names of pools and endpoints.',
      'Warns when a pool has no usable endpoint left. It survives a reload, not a restart.',
    ],
    examples: ['endpoint web web-tls 10.0.0.5:9443 drain'],
    flags: [socket],
  },
  {
    name: 'connections',
    group: 'ask',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'who is connected now, the oldest first',
    more: [
      'Filters are joined by "and". Of a process that has handed over it lists those of the new one only.',
    ],
    examples: ['connections --client 10.0.0.0/8 --idle 10m', 'connections --top client'],
    flags: [
      { name: 'listener', value: 'NAME', about: 'only those of this listener' },
      { name: 'pool', value: 'NAME', about: 'only those of this pool' },
      { name: 'endpoint', value: 'ENDPOINT', about: 'only those of this endpoint' },
      { name: 'client', value: 'CIDR', about: 'only those of clients in this range' },
      { name: 'older', value: 'TIME', about: 'only those that are at least so old' },
      { name: 'idle', value: 'TIME', about: 'only those that have been silent for so long' },
      { name: 'top', value: 'WHAT', offer: ['client', 'endpoint'], about: 'counts by client or by endpoint' },
      json,
      socket,
    ],
  },
  {
    name: 'explain',
    group: 'ask',
    args: 'ID',
    takes: [1, 1],
    offer: 'nothing',
    about: 'one connection: its dials, who waits for whom, what the kernel knows of its sockets',
    more: ['The id is that of "spliceway connections" or of the access log.'],
    examples: [],
    flags: [json, socket],
  },
  {
    name: 'kill',
    group: 'ask',
    args: 'ID',
    takes: [1, 1],
    offer: 'nothing',
    about: 'reset one connection',
    more: ['Both sides get RST; its cause in the access log is "admin".'],
    examples: [],
    flags: [socket],
  },
  {
    name: 'completion',
    group: 'other',
    args: 'SHELL',
    takes: [1, 1],
    offer: shells,
    about: 'what makes a shell complete commands and flags: bash, zsh or fish',
    more: [
      'bash: source <(spliceway completion bash)',
      'zsh: spliceway completion zsh > a file _spliceway in a folder of $fpath',
      'fish: spliceway completion fish > ~/.config/fish/completions/spliceway.fish',
    ],
    examples: [],
    flags: [],
  },
  {
    name: 'version',
    group: 'other',
    args: '',
    takes: [0, 0],
    offer: 'nothing',
    about: 'the version of the program and of Node',
    more: [],
    examples: [],
    flags: [],
  },
  {
    name: 'help',
    group: 'other',
    args: '[COMMAND]',
    takes: [0, 1],
    offer: 'nothing',
    about: 'every command, or all about one',
    more: [],
    examples: ['help run'],
    flags: [],
  },
] as const satisfies readonly Command[]

export type CommandName = (typeof list)[number]['name']

export const commands: readonly (Command & { readonly name: CommandName })[] = list

/** undefined: there is none of this name. */
export function commandOf(name: string): (Command & { readonly name: CommandName }) | undefined {
  return commands.find((command) => command.name === name)
}

/** Its flags, the one that all have included. */
export function flagsOf(command: Command): readonly Flag[] {
  return [...command.flags, helpFlag]
}

export const exitCodes = [
  [0, 'done'],
  [1, 'failure while running, or the process that was asked said no'],
  [2, 'wrong usage'],
  [75, 'a port is taken; the message names the process that has it'],
  [78, 'bad configuration, or a Node that is too old'],
] as const
