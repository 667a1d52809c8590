import type { TcpView } from '../core/tcp-view.ts'

/** struct tcp_info of linux/tcp.h up to tcpi_snd_wnd, which came with Linux 5.4. */
export const tcpViewSize = 232

/** Bytes of a connection since its beginning, SYN and FIN included. */
export interface TcpCounters {
  /** Of include/net/tcp_states.h. */
  readonly state: number
  readonly acked: number
  readonly received: number
}

/** struct tcp_info up to tcpi_bytes_received. */
export const countersSize = 136

const offset = {
  state: 0,
  bytesAcked: 120,
  bytesReceived: 128,
  retransmits: 2,
  probes: 3,
  lastDataSent: 44,
  lastDataRecv: 52,
  rtt: 68,
  totalRetrans: 100,
  minRtt: 148,
  dataSegsIn: 152,
  dataSegsOut: 156,
  deliveryRate: 160,
  busyTime: 168,
  rwndLimited: 176,
  sndbufLimited: 184,
  outOfOrder: 224,
} as const

/** tcpi_min_rtt before there is a measurement. */
const unmeasured = 0xffff_ffff

/** Reads a struct tcp_info of at least countersSize bytes. */
export function countersOf(info: DataView): TcpCounters {
  return {
    state: info.getUint8(offset.state),
    acked: Number(info.getBigUint64(offset.bytesAcked, true)),
    received: Number(info.getBigUint64(offset.bytesReceived, true)),
  }
}

/** Reads a struct tcp_info of at least tcpViewSize bytes. Times in it are microseconds but for the last_*. */
export function viewOf(info: DataView, unacknowledgedBytes: number, unreadBytes: number): TcpView {
  const u32 = (at: number): number => info.getUint32(at, true)
  const ms = (at: number): number => Number(info.getBigUint64(at, true)) / 1000
  const minRtt = u32(offset.minRtt)
  return {
    rttMs: u32(offset.rtt) / 1000,
    minRttMs: (minRtt === unmeasured ? u32(offset.rtt) : minRtt) / 1000,
    retransmits: u32(offset.totalRetrans),
    outOfOrder: u32(offset.outOfOrder),
    deliveryRate: Number(info.getBigUint64(offset.deliveryRate, true)),
    busyMs: ms(offset.busyTime),
    peerWindowMs: ms(offset.rwndLimited),
    sendBufferMs: ms(offset.sndbufLimited),
    unacknowledgedBytes,
    unreadBytes,
    heardMs: u32(offset.dataSegsIn) === 0 ? null : u32(offset.lastDataRecv),
    toldMs: u32(offset.dataSegsOut) === 0 ? null : u32(offset.lastDataSent),
    unanswered: info.getUint8(offset.retransmits) + info.getUint8(offset.probes),
  }
}
