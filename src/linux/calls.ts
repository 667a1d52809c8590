/** A call of libc, with numbers for all arguments. */
type Call = (...args: readonly number[]) => number

/**
 * What load-libc.ts is made of, by their signatures. Addresses go as numbers: converting a Buffer costs
 * more than the call itself.
 */
export function calls<C extends Call>(of: (signature: string) => C) {
  return {
    socket: of('int socket(int, int, int)'),
    socketpair: of('int socketpair(int, int, int, uintptr_t)'),
    bind: of('int bind(int, uintptr_t, uint32_t)'),
    connect: of('int connect(int, uintptr_t, uint32_t)'),
    listen: of('int listen(int, int)'),
    accept4: of('int accept4(int, uintptr_t, uintptr_t, int)'),
    getsockname: of('int getsockname(int, uintptr_t, uintptr_t)'),
    getpeername: of('int getpeername(int, uintptr_t, uintptr_t)'),
    recv: of('int64_t recv(int, uintptr_t, size_t, int)'),
    send: of('int64_t send(int, uintptr_t, size_t, int)'),
    sendto: of('int64_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)'),
    sendmsg: of('int64_t sendmsg(int, uintptr_t, int)'),
    recvmsg: of('int64_t recvmsg(int, uintptr_t, int)'),
    shutdown: of('int shutdown(int, int)'),
    setsockopt: of('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
    getsockopt: of('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    close: of('int close(int)'),
    fcntl: of('int fcntl(int, int, int)'),
    ioctl: of('int ioctl(int, unsigned long, uintptr_t)'),
    epoll_create1: of('int epoll_create1(int)'),
    epoll_ctl: of('int epoll_ctl(int, int, int, uintptr_t)'),
    epoll_wait: of('int epoll_wait(int, uintptr_t, int, int)'),
    eventfd: of('int eventfd(unsigned int, int)'),
    pipe2: of('int pipe2(uintptr_t, int)'),
    splice: of('int64_t splice(int, uintptr_t, int, uintptr_t, size_t, unsigned int)'),
    exit: of('void _exit(int)'),
    read: of('int64_t read(int, uintptr_t, size_t)'),
    write: of('int64_t write(int, uintptr_t, size_t)'),
  }
}
