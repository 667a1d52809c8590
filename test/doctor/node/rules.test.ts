import test from 'ava'
import fc from 'fast-check'
import { shellQuoted } from '../../../src/doctor/finding.ts'
import { parseIptables } from '../../../src/doctor/node/iptables.ts'
import { parseNft } from '../../../src/doctor/node/nft.ts'

/** What nft 1.0.6 prints. */
const printed = `{"nftables":[{"metainfo":{"version":"1.0.6","release_name":"Lester Gooch #5","json_schema_version":1}},
{"table":{"family":"inet","name":"my","handle":3}},
{"set":{"family":"inet","name":"s","table":"my","type":"inet_service","handle":9,"flags":["interval"],"elem":[80,{"range":[8000,9000]}]}},
{"map":{"family":"inet","name":"v","table":"my","type":"inet_service","handle":10,"map":"verdict","elem":[[80,{"drop":null}]]}},
{"chain":{"family":"inet","table":"my","name":"pre","handle":1,"type":"nat","hook":"prerouting","prio":-100,"policy":"accept"}},
{"chain":{"family":"inet","table":"my","name":"x","handle":6}},
{"chain":{"family":"bridge","table":"b","name":"x","handle":6}},
{"rule":{"family":"inet","table":"my","chain":"pre","handle":3,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[80,{"range":[443,445]}]}}},{"redirect":{"port":9080}}]}},
{"rule":{"family":"inet","table":"my","chain":"pre","handle":4,"expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}},{"match":{"op":"!=","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":{"prefix":{"addr":"10.0.0.0","len":8}}}},{"dnat":{"family":"ip","addr":"10.0.0.5","port":80}}]}},
{"rule":{"family":"inet","table":"my","chain":"pre","handle":7,"comment":"hi there","expr":[{"match":{"op":"==","left":{"fib":{"result":"type","flags":["daddr"]}},"right":"local"}},{"counter":{"packets":0,"bytes":0}},{"jump":{"target":"x"}}]}},
{"rule":{"family":"inet","table":"my","chain":"x","handle":10,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":"@s"}},{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}]}},
{"rule":{"family":"inet","table":"my","chain":"x","handle":12,"expr":[{"vmap":{"key":{"payload":{"protocol":"tcp","field":"dport"}},"data":"@v"}}]}},
{"rule":{"family":"inet","table":"my","chain":"x","handle":13,"expr":[{"match":{"op":"==","left":{"concat":[{"payload":{"protocol":"ip","field":"daddr"}},{"payload":{"protocol":"tcp","field":"dport"}}]},"right":{"set":[{"concat":["10.0.0.2",80]},{"concat":["10.0.0.3",{"range":[1,9]}]}]}}},{"drop":null}]}}]}`

test('rules of nft: sets, maps, ranges, prefixes, comments', (t) => {
  const [pre, x, ...others] = parseNft(printed)
  t.deepEqual(others, [])
  t.deepEqual(pre?.hook, { at: 'prerouting', type: 'nat', priority: -100, drops: false })
  t.deepEqual(
    pre?.rules.map(({ tests, verdict }) => [tests, verdict]),
    [
      [
        [
          {
            kind: 'port',
            ranges: [
              [80, 80],
              [443, 445],
            ],
            not: false,
          },
        ],
        { kind: 'redirect', port: 9080 },
      ],
      [
        [
          { kind: 'in', interfaces: ['eth0'], not: false },
          { kind: 'to', networks: ['10.0.0.0/8'], not: true },
        ],
        { kind: 'dnat', to: '10.0.0.5:80' },
      ],
      [[{ kind: 'to-local', not: false }], { kind: 'jump', chain: 'x' }],
    ],
  )
  t.is(pre?.rules[2]?.text, 'inet my pre handle 7 (hi there)')
  t.is(pre?.rules[0]?.remove.join(' '), 'nft delete rule inet my pre handle 3')
  t.is(
    pre?.accept({ host: '::1', port: 80 }).join(' '),
    'nft insert rule inet my pre ip6 daddr ::1 tcp dport 80 accept',
  )
  t.deepEqual(
    x?.rules.map(({ tests, verdict }) => [tests, verdict]),
    [
      [
        [
          {
            kind: 'port',
            ranges: [
              [80, 80],
              [8000, 9000],
            ],
            not: false,
          },
          { kind: 'state', states: ['established', 'related'], not: false },
        ],
        { kind: 'accept' },
      ],
      [[{ kind: 'port', ranges: [[80, 80]], not: false }], { kind: 'drop' }],
      [
        [
          { kind: 'to', networks: ['10.0.0.2'], not: false },
          { kind: 'port', ranges: [[80, 80]], not: false },
        ],
        { kind: 'drop' },
      ],
      [
        [
          { kind: 'to', networks: ['10.0.0.3'], not: false },
          { kind: 'port', ranges: [[1, 9]], not: false },
        ],
        { kind: 'drop' },
      ],
    ],
  )
})

test('no JSON of another shape throws', (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      parseNft(text)
    }),
  )
  // Each part of a real answer replaced by something else.
  for (const other of ['null', '7', '"x"', '[]', '{}', '[[[]]]']) {
    const parts = [
      ...printed.matchAll(/\{"(?:payload|match|set|range|prefix|fib|meta|ct|vmap|dnat|jump|concat)":/g),
    ]
    for (const { index, 0: found } of parts) {
      const key = found.slice(2, -2)
      const changed = `${printed.slice(0, index)}{"${key}":${other},"was${key}":${printed.slice(index + found.length)}`
      t.notThrows(() => parseNft(changed), changed)
    }
  }
})

test('rules of iptables: the line that deletes one is the line that made it', (t) => {
  const line =
    '-A PREROUTING -p tcp -m comment --comment "it\'s \\"old\\" -j DROP" -m tcp --dport 80 -j REDIRECT --to-ports 9080'
  const [chain] = parseIptables(`*nat\n:PREROUTING ACCEPT [1:2]\n${line}\nCOMMIT\n`, 'iptables-nft')
  const [rule] = chain?.rules ?? []
  t.deepEqual(rule?.verdict, { kind: 'redirect', port: 9080 })
  t.is(
    shellQuoted(rule?.remove ?? []),
    `iptables-nft -t nat -D PREROUTING -p tcp -m comment --comment 'it'\\''s "old" -j DROP' -m tcp --dport 80 -j REDIRECT --to-ports 9080`,
  )
  t.deepEqual(rule?.tests, [
    { kind: 'protocol', names: ['tcp'], not: false },
    { kind: 'port', ranges: [[80, 80]], not: false },
  ])
})

test('a comment that looks like options is none', (t) => {
  const line = '-A INPUT -m comment --comment "-p udp ! -j DROP" -p tcp -j REJECT --reject-with tcp-reset'
  const [chain] = parseIptables(`*filter\n:INPUT DROP [0:0]\n${line}\nCOMMIT\n`, 'ip6tables-legacy')
  t.is(chain?.family, 'ip6')
  t.true(chain?.hook?.drops)
  t.deepEqual(chain?.rules[0]?.verdict, { kind: 'reject' })
  t.deepEqual(chain?.rules[0]?.tests, [{ kind: 'protocol', names: ['tcp'], not: false }])
})

test('a POSIX shell reads quoted words back as they were', async (t) => {
  const { execFileSync } = await import('node:child_process')
  const words = [
    'plain',
    '',
    "it's",
    '"$HOME"',
    'a b',
    '`id`',
    '\\',
    '*',
    'ä',
    ';',
    '!',
    'x\ny',
    '-j',
    '10.0.0.0/8',
  ]
  const line = `printf '%s\\0' ${shellQuoted(words)}`
  t.deepEqual(execFileSync('sh', ['-c', line], { encoding: 'utf8' }).split('\0').slice(0, -1), words)
})
