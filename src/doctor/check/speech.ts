import type { Facts } from '../facts.ts'
import { advice, type Finding } from '../finding.ts'
import { type Gateway, gatewayText } from '../node/gateways.ts'
import { isAnswer, type Reply } from '../node/speech.ts'
import { dialIt, severityOf } from './gateway.ts'

/** A gateway's clock may be wrong as well; a minute breaks tokens and certificates. */
const mostApartMs = 60_000

/** What gateways say when they are spoken to (`--probe`). */
export function speech(facts: Facts): readonly Finding[] {
  return facts.gateways.flatMap((each) => {
    if (each.speech === null) return []
    const { asConfigured, otherwise } = each.speech
    return [...header(facts, each, asConfigured, otherwise), ...clock(facts, each, asConfigured)]
  })
}

function header(
  facts: Facts,
  each: Gateway,
  asConfigured: Reply,
  otherwise: Reply | null,
): readonly Finding[] {
  if (isAnswer(asConfigured)) return []
  const name = `gateway ${gatewayText(each)} of pool ${each.pool}`
  const key = `pools.${each.pool}.sendProxyProtocol`
  const proxied = each.sendProxyProtocol !== null && each.sendProxyProtocol !== 'off'
  if (otherwise !== null && isAnswer(otherwise)) {
    // Every endpoint of the pool has the same setting.
    const common = { severity: 'blocks' } as const
    if (proxied) {
      return [
        {
          ...common,
          code: 'proxy-header-refused',
          what: `${name} does not understand the PROXY header that it is sent (${textOf(asConfigured)}), and answers without it (${textOf(otherwise)})`,
          proof: ['curl', '-sv', '--max-time', '2', '--haproxy-protocol', `http://${gatewayText(each)}/`],
          remedy: {
            advice: 'send none, or give the gateway a port that expects it',
            commands: [],
            settings: [{ key, value: 'off' }],
          },
        },
      ]
    }
    return [
      {
        ...common,
        code: 'proxy-header-wanted',
        what: `${name} gives no answer without a PROXY header (${textOf(asConfigured)}), and answers with one (${textOf(otherwise)})`,
        proof: ['curl', '-sv', '--max-time', '2', `http://${gatewayText(each)}/`],
        remedy: {
          advice: 'send it, or use the port of the gateway that does not expect it',
          commands: [],
          settings: [{ key, value: 'v2' }],
        },
      },
    ]
  }
  if (asConfigured.kind !== 'silence') return []
  return [
    {
      code: 'gateway-silent',
      severity: severityOf(
        {
          ...facts,
          gateways: facts.gateways.filter((other) => other.speech?.asConfigured.kind !== 'silence'),
        },
        each,
      ),
      what: `${name} accepts connections and does not answer a request within 2 s`,
      proof: dialIt(each),
      remedy: advice(
        'its process hangs or is overloaded, or it speaks a protocol in which clients have to say more first',
      ),
    },
  ]
}

function clock({ clock: { nowMs } }: Facts, each: Gateway, reply: Reply): readonly Finding[] {
  if (reply.kind !== 'http' || reply.dateMs === null) return []
  const apartMs = reply.dateMs - nowMs
  if (Math.abs(apartMs) < mostApartMs) return []
  const seconds = Math.round(Math.abs(apartMs) / 1000)
  return [
    {
      code: 'clock-differs',
      severity: 'hurts',
      what: `the clock of gateway ${gatewayText(each)} is ${seconds} s ${apartMs > 0 ? 'ahead of' : 'behind'} this host's: one of them is wrong, and certificates and tokens are judged by it`,
      proof: ['curl', '-sI', '--max-time', '2', `http://${gatewayText(each)}/`],
      remedy: advice('see which of them is wrong, and let chrony or systemd-timesyncd keep it'),
    },
  ]
}

function textOf(reply: Reply): string {
  switch (reply.kind) {
    case 'http':
      return `HTTP status ${reply.status}`
    case 'tls':
      return 'a TLS handshake'
    case 'speaks-first':
      return 'it speaks first'
    case 'other':
      return 'bytes that are neither HTTP nor TLS'
    case 'closed':
      return 'it hangs up'
    case 'silence':
      return 'nothing for 2 s'
  }
}
