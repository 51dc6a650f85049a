// The bare runtime: reads a webhook's body and answers 200, or a GET with the bytes it was given. What a request costs
// before any of our code runs.
const answer = process.env.BARE_BODY ?? ''
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    if (request.method === 'GET') return new Response(answer, { headers: { 'content-type': 'application/json' } })
    await request.arrayBuffer()
    return new Response(null, { status: 200 })
  },
})
console.log(server.port)
