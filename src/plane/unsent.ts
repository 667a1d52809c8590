/**
 * What a peer's kernel has no room for waits in ours, up to net.ipv4.tcp_wmem (4 MiB and more): memory of a
 * slow reader that is ours to bound, by TCP_NOTSENT_LOWAT. More than this is not taken from us before some of
 * it was sent. Nothing is lost in speed: bytes under way do not count, and a thread comes back long before
 * 128 KiB are gone (bench -- bulk). SO_SNDBUF and SO_RCVBUF would end the kernel's autotuning, and with it
 * the throughput of long fat paths.
 */
export const mostUnsent = 128 * 1024

/** A dialed socket has the bound when it has carried this much: most never do, and it is a system call. */
export const unboundedBytes = 64 * 1024
