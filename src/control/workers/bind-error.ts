import { joinHostPort } from '../../core/address.ts'
import type { HolderOf } from '../../core/holder.ts'
import type { BindError } from './sockets.ts'

/** net.ipv4.ip_unprivileged_port_start, unless somebody has changed it. */
const firstFreePort = 1024

/** Why a port cannot be had and what to do, for a person. `uid`: ours. */
export async function bindErrorText(
  { address, code }: BindError,
  uid: number,
  holderOf: HolderOf,
): Promise<string> {
  const { host, port } = address
  const what = `cannot listen on ${joinHostPort(host, port)}`
  switch (code) {
    case 'EADDRINUSE': {
      const who = (await holderOf(port)) ?? 'it is held by a process that has gone by now'
      return (
        `${what}: the port is taken, ${who}; this process is uid ${uid}\n` +
        `  stop the holder or give the listener another port; "ss -ltnp 'sport = :${port}'" as root shows it too`
      )
    }
    case 'EPERM':
      return (
        `${what}: something in this kernel forbids it (EPERM); a capability that is missing would be EACCES\n` +
        '  on a Cilium node: its bind protection keeps the ports of NodePort Services, 30000 to 32767 by default, and those of\n' +
        '    host ports: take another one, or set nodePort.bindProtection=false in its values\n' +
        '  elsewhere:        a BPF program of a control group (bpftool cgroup tree) or a seccomp filter'
      )
    case 'EACCES':
      if (port >= firstFreePort) {
        return (
          `${what}: the system forbids it (EACCES); CAP_NET_BIND_SERVICE would not help, it is for ports below 1024\n` +
          '  SELinux:  semanage port -a -t http_port_t -p tcp ' +
          `${port}; "ausearch -m avc -ts recent" shows what was refused\n` +
          '  AppArmor: the log of the kernel has the profile; also net.ipv4.ip_unprivileged_port_start may be above 1024'
        )
      }
      return (
        `${what}: ports below 1024 need CAP_NET_BIND_SERVICE, which uid ${uid} does not have\n` +
        '  systemd:    AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit (config/systemd/spliceway.service)\n' +
        '  Kubernetes: capabilities: { drop: [ALL], add: [NET_BIND_SERVICE] } and the image whose node has the file capability\n' +
        '  by hand:    setcap cap_net_bind_service=+ep on a copy of node, or sysctl net.ipv4.ip_unprivileged_port_start=80'
      )
    case 'EADDRNOTAVAIL':
      return (
        `${what}: this host has no such address\n` +
        '  "ip address" lists those it has; a floating address needs a listener on "[::]" or net.ipv4.ip_nonlocal_bind=1'
      )
    case 'EMFILE':
    case 'ENFILE':
      return `${what}: no descriptor is free (${code})\n  raise LimitNOFILE= (systemd) or ulimit -n`
    default:
      return `${what}: ${code}`
  }
}
