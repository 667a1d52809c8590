import type { TcpView } from '../core/tcp-view.ts'

/** struct tcp_info of linux/tcp.h up to tcpi_snd_wnd, which came with Linux 5.4. */
export const tcpViewSize = 232

const offset = {
  state: 0,
  retransmits: 2,
  probes: 3,
  lastDataSent: 44,
  lastDataRecv: 52,
  rtt: 68,
  totalRetrans: 100,
  bytesAcked: 120,
  bytesReceived: 128,
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

/** How far a connection has come, each way. */
export interface TcpCounters {
  /** TCP_ESTABLISHED (1) and so on, of net/tcp_states.h. */
  readonly state: number
  /** What the peer has acknowledged, a SYN and a FIN of ours included. */
  readonly ackedBytes: number
  /** What came in order, read or not, a FIN included. */
  readonly receivedBytes: number
  /** Since data last came, and last went; null: none has. */
  readonly heardMs: number | null
  readonly toldMs: number | null
}

/** Reads a struct tcp_info of at least tcpViewSize bytes. */
export function countersOf(info: DataView): TcpCounters {
  const u32 = (at: number): number => info.getUint32(at, true)
  return {
    state: info.getUint8(offset.state),
    ackedBytes: Number(info.getBigUint64(offset.bytesAcked, true)),
    receivedBytes: Number(info.getBigUint64(offset.bytesReceived, true)),
    heardMs: u32(offset.dataSegsIn) === 0 ? null : u32(offset.lastDataRecv),
    toldMs: u32(offset.dataSegsOut) === 0 ? null : u32(offset.lastDataSent),
  }
}
