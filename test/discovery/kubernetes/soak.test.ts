import test from 'ava'
import { soak } from './soak.ts'

test('1,000 changes of the endpoints, and no request fails while one is ready', (t) => soak(t, 1_000))
