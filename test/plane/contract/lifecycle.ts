import { Forwarder, type PlaneName } from '../../helpers/forwarder.ts'
import { Backend, dialPeer, echo, type Peer } from '../../helpers/peer.ts'
import type { SceneMaker, Traits } from '../scene.ts'

/** Cases 17, 19 and 20, as far as a plane takes part in them: a stop, an endpoint that leaves, a worker that dies. */
export function lifecycle(scene: SceneMaker, plane: PlaneName, { variant = {} }: Traits): void {
  scene(
    'case 17: silent connections get FIN inside the window, the rest is reset at the deadline',
    { config: { drain: { notReadyDelayMs: 0, windowMs: 1_500, deadlineMs: 1_600, idleAfterMs: 400 } } },
    async (t, { forwarder, pair }) => {
      const silent = await pair()
      const busy = await pair()
      for (const peer of [silent.client, silent.server]) peer.socket.on('end', () => peer.end())
      const chatter = setInterval(() => busy.client.socket.write('.'), 20)
      busy.client.socket.on('error', () => clearInterval(chatter))
      forwarder.app.drain()
      const { done } = await forwarder.app.draining
      t.is(await silent.client.ended(), 'fin')
      t.is(await silent.server.ended(), 'fin')
      t.is(await busy.client.ended(), 'rst')
      clearInterval(chatter)
      await done
      const outcomes = [await forwarder.outcome(), await forwarder.outcome()]
      t.deepEqual(
        outcomes.map(({ cause }) => cause),
        ['admin', 'admin'],
      )
      t.deepEqual(
        outcomes.map(({ closed }) => closed.how),
        ['fin', 'kill'],
      )
    },
  )

  scene(
    'case 19: an endpoint that the admin drains gets no new connections and keeps those it has',
    {},
    async (t, { backend }) => {
      const second = await Backend.start({ onPeer: echo })
      const forwarder = await Forwarder.start({
        plane,
        ...variant,
        endpoints: [
          { port: backend.port, priority: 0 },
          { port: second.port, priority: 1 },
        ],
      })
      const kept = await dialPeer(forwarder.port)
      const server = await backend.accept()
      t.true(forwarder.app.endpoint('main', `127.0.0.1:${backend.port}`, 'drain').ok)
      const moved = await dialPeer(forwarder.port)
      moved.end('moved')
      t.is((await moved.readAll()).bytes.toString(), 'moved')
      await kept.write('kept')
      t.is((await server.read(4)).toString(), 'kept')
      kept.reset()
      await second.close()
      await forwarder.close()
    },
  )

  scene(
    'case 20: a worker that dies is replaced while the others serve, and its connections are counted',
    { onPeer: echo, workers: 2 },
    async (t, { forwarder, pair }) => {
      const pairs: { client: Peer; server: Peer }[] = []
      for (let i = 0; i < 16; i++) {
        const opened = await pair()
        await opened.client.write('.')
        await opened.client.read(1) // relayed, not just accepted
        pairs.push(opened)
      }
      const [first] = forwarder.app.status().workers
      forwarder.app.breakWorker(1)
      const { message } = await forwarder.line(/worker 1 died/)
      // They are young; those of a machine that stood still may have been written down.
      const [, took, saved] = /took (\d+) connection.*, (\d+) go on/.exec(message) ?? []
      const lost = Number(took)
      t.is(lost + Number(saved), first?.active ?? -1)
      await forwarder.until(() => forwarder.app.status().workers.every(({ alive }) => alive))
      t.is(
        await forwarder.metric(
          'spliceway_connections_closed_total{listener="main",cause="proxy",phase="data"}',
        ),
        lost,
      )
      await forwarder.until(() => forwarder.app.ready().ok)
      for (let i = 0; i < 20; i++) {
        const client = await dialPeer(forwarder.port)
        client.end('again')
        t.is((await client.readAll()).bytes.toString(), 'again')
      }
      await forwarder.until(() => pairs.filter(({ server }) => server.ending !== null).length === lost)
      const resets = pairs.filter(({ client }) => client.ending === 'rst')
      t.is(resets.length, lost, 'the connections of the dead worker that cannot go on are reset')
      t.deepEqual(
        resets.map(({ server }) => server.ending),
        resets.map(() => 'rst'),
      )
      t.true(pairs.every(({ client }) => client.ending !== 'fin'))
      t.is(forwarder.app.status().workers[0]?.restarts, 1)
      t.true((forwarder.app.status().workers[0]?.active ?? 0) <= 20 + Number(saved))
    },
  )

  scene(
    'case 20: connections that arrive while the only worker is dead wait for its successor',
    { onPeer: echo },
    async (t, { forwarder }) => {
      forwarder.app.breakWorker(1)
      await forwarder.line(/worker 1 died/)
      const clients = await Promise.all(Array.from({ length: 8 }, () => dialPeer(forwarder.port)))
      for (const client of clients) {
        client.end('patient')
        t.is((await client.readAll()).bytes.toString(), 'patient')
      }
    },
  )
}
