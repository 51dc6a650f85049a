// The bare runtime: reads a webhook's body and answers 200. What a request costs before any of our code runs.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  async fetch(request) {
    await request.arrayBuffer()
    return new Response(null, { status: 200 })
  },
})
console.log(server.port)
