import { contract } from '../plane/contract/contract.ts'
import { bytesAndClose, oneWaits, oneWarm } from '../plane/warm.ts'

contract('net', { accepting: 'resets', variant: oneWarm, only: bytesAndClose, ready: oneWaits })
