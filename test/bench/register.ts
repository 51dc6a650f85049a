/** A tenant of the server at `url`, and what its owner sends with each request. */
export async function register(url: string): Promise<{ tenantId: string; headers: Record<string, string> }> {
  const response = await fetch(`${url}/api/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ tenant_name: 'Bench', name: 'Bench', email: 'bench@example.com' },
      password: 'a long password of the bench',
    }),
  })
  if (!response.ok) throw new Error(`registering answered ${response.status}`)
  const { tenant, access_token } = await response.json()
  return { tenantId: tenant.id, headers: { authorization: `Bearer ${access_token}` } }
}
