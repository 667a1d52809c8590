/** Values of the Linux headers that are the same on x86_64 and arm64, under the names they have there. */

/** bits/socket.h */
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
/** bits/socket_type.h */
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_SEQPACKET = 5
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
/** asm-generic/socket.h */
export const SOL_SOCKET = 1
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_KEEPALIVE = 9
export const SO_RCVLOWAT = 18
export const SO_OOBINLINE = 10
export const SO_LINGER = 13
export const SO_PEERCRED = 17
export const SO_ATTACH_FILTER = 26
export const SO_ACCEPTCONN = 30
export const SO_PROTOCOL = 38
export const SO_DOMAIN = 39
export const SO_COOKIE = 57
export const SCM_RIGHTS = 1
/** linux/netlink.h */
export const NETLINK_SOCK_DIAG = 4
/** bits/in.h */
export const IPPROTO_IP = 0
export const IPPROTO_MPTCP = 262
export const IP_TRANSPARENT = 19
export const IP_BIND_ADDRESS_NO_PORT = 24
export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26
/** linux/in6.h */
export const IPV6_TRANSPARENT = 75
/** netinet/tcp.h */
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const TCP_KEEPIDLE = 4
export const TCP_KEEPINTVL = 5
export const TCP_KEEPCNT = 6
export const TCP_INFO = 11
export const TCP_QUICKACK = 12
export const TCP_NOTSENT_LOWAT = 25
/** bits/socket.h */
export const MSG_PEEK = 0x2
export const MSG_CTRUNC = 0x8
export const MSG_NOSIGNAL = 0x4000
export const MSG_MORE = 0x8000
export const MSG_CMSG_CLOEXEC = 0x40000000
/** linux/sockios.h: TIOCOUTQ */
export const SIOCOUTQ = 0x5411
export const SIOCINQ = 0x541b
/** asm-generic/ioctls.h; of a pipe, the bytes in it. */
export const FIONREAD = 0x541b
/** sys/socket.h */
export const SHUT_WR = 1
export const SHUT_RDWR = 2
/** sys/epoll.h */
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLLIN = 0x1
export const EPOLLPRI = 0x2
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
export const EPOLLET = 0x80000000
export const EPOLL_CLOEXEC = 0o2000000
/** sys/eventfd.h */
export const EFD_NONBLOCK = 0o4000
export const EFD_CLOEXEC = 0o2000000
/** fcntl.h */
export const O_ACCMODE = 3
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_NONBLOCK = 0o4000
export const O_CLOEXEC = 0o2000000
export const F_GETFL = 3
export const F_SETFL = 4
export const F_DUPFD_CLOEXEC = 1030
export const F_SETPIPE_SZ = 1031
export const F_GETPIPE_SZ = 1032
export const SPLICE_F_MOVE = 1
export const SPLICE_F_NONBLOCK = 2
