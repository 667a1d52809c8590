import { BlockList } from 'node:net'
import type { Facts } from '../facts.ts'
import { advice, type Finding, setSysctl } from '../finding.ts'
import { isAny, listenText, type SubjectListener } from '../subject.ts'

/** Whether this host has the addresses that listeners are bound to. */
export function address(facts: Facts): readonly Finding[] {
  if (facts.addresses.interfaces.length === 0) return []
  return [...loopback(facts), ...facts.subject.listeners.flatMap((listener) => missing(facts, listener))]
}

function loopback({ addresses }: Facts): readonly Finding[] {
  if (addresses.hosts.some(({ interface: name }) => name === 'lo')) return []
  return [
    {
      code: 'loopback-down',
      severity: 'blocks',
      what: 'the interface lo is down: nothing on this host reaches a gateway or a page on 127.0.0.1, nor on its own addresses',
      proof: ['ip', 'link', 'show', 'lo'],
      remedy: advice('bring it up, and find out who took it down', ['ip', 'link', 'set', 'lo', 'up']),
    },
  ]
}

function missing(facts: Facts, listener: SubjectListener): readonly Finding[] {
  const { host } = listener
  const six = host.includes(':')
  const off = facts.kernel.sysctls.get('net.ipv6.conf.all.disable_ipv6') !== '0'
  if (six && off) return [ipv6Off(facts, listener)]
  if (isAny(host) || host.startsWith('127.')) return []
  if (facts.addresses.hosts.some((each) => each.host === host)) return []
  const nonlocal = facts.kernel.sysctls.get(six ? 'net.ipv6.ip_nonlocal_bind' : 'net.ipv4.ip_nonlocal_bind')
  const device = nextTo(facts, host)
  return [
    {
      code: 'address-missing',
      severity: nonlocal === '1' ? 'note' : 'blocks',
      what: `no interface of this host that is up has ${host}, which listener ${listener.name} is bound to`,
      proof: ['ip', 'address', 'show'],
      remedy: advice(
        'give the host the address with the command. Where it moves between hosts (keepalived) and is elsewhere now, let spliceway bind it all the same: sysctl -w ' +
          `${six ? 'net.ipv6' : 'net.ipv4'}.ip_nonlocal_bind=1; or listen on every address`,
        ['ip', 'address', 'add', `${host}/${six ? 128 : 32}`, 'dev', device],
      ),
    },
  ]
}

function ipv6Off({ kernel }: Facts, { name, host, port }: SubjectListener): Finding {
  const known = kernel.sysctls.has('net.ipv6.conf.all.disable_ipv6')
  const any = isAny(host)
  const fallback = any ? `listener ${name} is for IPv4 only` : `listener ${name} cannot be bound`
  return {
    code: 'ipv6-off',
    severity: any ? 'note' : 'blocks',
    what: `IPv6 is ${known ? 'off on this host' : 'not in this kernel'}: ${fallback}, though it says ${listenText({ host, port })}`,
    proof: ['sysctl', 'net.ipv6.conf.all.disable_ipv6'],
    remedy: known
      ? advice(
          'turn it on, if clients are to come by it; addresses that were there come back when they are set again',
          setSysctl('net.ipv6.conf.all.disable_ipv6', 0),
        )
      : advice('listen on 0.0.0.0 or another IPv4 address, or boot without ipv6.disable=1'),
  }
}

/** The interface in whose network the address would be; lo where none fits. */
function nextTo({ addresses }: Facts, host: string): string {
  const type = host.includes(':') ? 'ipv6' : 'ipv4'
  const found = addresses.hosts.find(({ network, host: own, interface: name }) => {
    const [base, length] = network?.split('/') ?? []
    if (base === undefined || name === 'lo' || own.includes(':') !== (type === 'ipv6')) return false
    const list = new BlockList()
    list.addSubnet(base, Number(length), type)
    return list.check(host, type)
  })
  return found?.interface ?? 'lo'
}
