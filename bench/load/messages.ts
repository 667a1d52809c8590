/** What is said over one connection of the load. The first letter of a request says whether it is the last one. */
export const closing = 'c'.charCodeAt(0)
export const requestSize = 64
export const answerSize = 160
export const request = Buffer.alloc(requestSize, 'k')
export const lastRequest = Buffer.alloc(requestSize, 'c')
export const answer = Buffer.alloc(answerSize, 'a')
/** An answer in two writes: what a small HTTP head takes, and a small body. */
export const headSize = 120
export const bodySize = 300
