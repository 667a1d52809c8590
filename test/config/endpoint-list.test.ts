// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables that are not replaced
import test from 'ava'
import { parseEndpointList } from '../../src/config/endpoint-list.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { formatAddress } from '../../src/core/address.ts'

/** `10.0.0.5:80 0/1` each, or the problems as they are shown. */
function read(text: string): string {
  const parsed = parseEndpointList(text, 'gateways.yaml')
  if (parsed.kind === 'invalid') return parsed.problems.map((problem) => renderProblem(problem)).join('\n')
  return parsed.endpoints
    .map(({ address, priority, weight }) => `${formatAddress(address)} ${priority}/${weight}`)
    .join(' ')
}

const good: readonly (readonly [string, string, string])[] = [
  [
    'both forms',
    '- 10.0.0.5:80\n- { address: "[2001:DB8::5]:80", priority: 1, weight: 7 }\n',
    '10.0.0.5:80 0/1 [2001:db8::5]:80 1/7',
  ],
  ['JSON', '["10.0.0.5:80", {"address": "10.0.0.6:80", "weight": 2}]', '10.0.0.5:80 0/1 10.0.0.6:80 0/2'],
  ['an empty list', '[]', ''],
  ['one address with two ports', '- 10.0.0.5:80\n- 10.0.0.5:81\n', '10.0.0.5:80 0/1 10.0.0.5:81 0/1'],
]
for (const [what, text, expected] of good) {
  test(`${what} is read`, (t) => t.is(read(text), expected))
}

const bad: readonly (readonly [string, string, RegExp])[] = [
  [
    'an empty file',
    '',
    /^error: the file is empty\n +--> gateways.yaml:1:1\n[\s\S]*write `\[\]` when there is no endpoint/,
  ],
  ['a comment alone', '# none\n', /the file is empty/],
  ['a mapping', 'endpoints: [10.0.0.5:80]', /the file must be a list/],
  ['a text', '10.0.0.5:80', /the file must be a list/],
  [
    'a name',
    '- 10.0.0.5:80\n- gw.internal:80\n',
    /^error: endpoint \[1\] must have an IP address\n {2}--> gateways.yaml:2:3\n/,
  ],
  ['a name in a mapping', '- { address: gw.internal:80 }', /gateways.yaml:1:14\n/],
  [
    'a UNIX socket, which only the configuration may name',
    '- unix:/run/docker.sock\n',
    /^error: \[0\] must be HOST:PORT\n[\s\S]*a UNIX socket can only stand in the `endpoints` of a pool/,
  ],
  ['an address without a port', '- 10.0.0.5\n', /\[0\] has no port\n/],
  [
    'an unknown key',
    '- { address: 10.0.0.5:80, wieght: 2 }',
    /unknown key `wieght` in \[0\]\n[\s\S]*did you mean `weight`/,
  ],
  [
    'a limit, which a source cannot have',
    '- { address: 10.0.0.5:80, maxConnections: 2 }',
    /unknown key `maxConnections`/,
  ],
  ['a weight out of range', '- { address: 10.0.0.5:80, weight: 0 }', /must be a whole number from 1 to 1000/],
  [
    'an endpoint given twice',
    '- 10.0.0.5:80\n- { address: 10.0.0.5:80 }',
    /endpoint \[1\] is in the list already\n/,
  ],
  [
    'the same address in another spelling',
    '- "[::ffff:10.0.0.5]:80"\n- 10.0.0.5:80',
    /endpoint \[1\] is in the list already\n/,
  ],
  ['half a file', '- 10.0.0.5:80\n- { address: 10.0', /gateways.yaml:\d+:\d+\n/],
  ['a variable', '- "${HOME}:80"', /variable `HOME` is not set/],
  [
    'more endpoints than there is room for',
    Array.from({ length: 4097 }, (_, i) => `- 10.0.0.5:${i + 1}`).join('\n'),
    /^error: there are more than 4096 endpoints\n +--> gateways.yaml:4097:3/,
  ],
]
for (const [what, text, expected] of bad) {
  test(`${what} is refused with its place`, (t) => t.regex(read(text), expected))
}

test('every prefix of a list is read as a shorter list or refused, never thrown over', (t) => {
  const text = '- 10.0.0.5:80\n- { address: "[2001:db8::5]:8080", priority: 1 }\n'
  for (let end = 0; end <= text.length; end++) t.notThrows(() => read(text.slice(0, end)))
})
