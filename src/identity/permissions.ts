export const roles = ['owner', 'admin', 'agent', 'viewer'] as const
export type Role = (typeof roles)[number]

/** `write` is whatever changes something, deletes included; who may write may read. */
export const verbs = ['read', 'write'] as const
export type Verb = (typeof verbs)[number]

/** What each role may do with each resource: the only place that says so. */
const table = {
  bots: { owner: 'write', admin: 'write', agent: 'read', viewer: 'read' },
  flows: { owner: 'write', admin: 'write', agent: 'read', viewer: 'read' },
  conversations: { owner: 'write', admin: 'write', agent: 'write', viewer: 'read' },
  products: { owner: 'write', admin: 'write', agent: 'read', viewer: 'read' },
  customers: { owner: 'write', admin: 'write', agent: 'write', viewer: 'read' },
  orders: { owner: 'write', admin: 'write', agent: 'write', viewer: 'read' },
  sellers: { owner: 'write', admin: 'write', agent: 'read', viewer: 'read' },
  analytics: { owner: 'read', admin: 'read', agent: 'read', viewer: 'read' },
  tenant: { owner: 'write', admin: 'write', agent: 'read', viewer: 'read' },
  users: { owner: 'write', admin: 'write', agent: 'none', viewer: 'none' },
  secrets: { owner: 'write', admin: 'write', agent: 'none', viewer: 'none' },
  webhooks: { owner: 'write', admin: 'write', agent: 'none', viewer: 'none' },
  api_keys: { owner: 'write', admin: 'write', agent: 'none', viewer: 'none' },
  privacy: { owner: 'write', admin: 'write', agent: 'none', viewer: 'none' },
  audit: { owner: 'read', admin: 'read', agent: 'none', viewer: 'none' },
} as const satisfies Record<string, Readonly<Record<Role, Verb | 'none'>>>

export type Resource = keyof typeof table
export type Permission = `${Resource}:${Verb}`

// Object.keys loses the keys' names; these are all of them.
export const resources = Object.keys(table) as readonly Resource[]

/** Everything a role may do, in a fixed order. */
export function permissionsOf(role: Role): readonly Permission[] {
  return permissionsByRole[role]
}

const permissionsByRole: Readonly<Record<Role, readonly Permission[]>> = {
  owner: list('owner'),
  admin: list('admin'),
  agent: list('agent'),
  viewer: list('viewer'),
}

const notForKeys: ReadonlySet<Permission> = new Set(['users:write', 'api_keys:read', 'api_keys:write'])

/** What an API key can be made for: never for making users or other keys, by which it would outlive its end. */
export const keyScopes: readonly Permission[] = permissionsOf('owner').filter(permission => !notForKeys.has(permission))

/** All that these permissions are, in a fixed order: who may write may read. */
export function withReading(given: readonly Permission[]): readonly Permission[] {
  const all = new Set(given.flatMap(permission => [permission, permission.replace(/:write$/, ':read')]))
  return permissionsOf('owner').filter(permission => all.has(permission))
}

function list(role: Role): readonly Permission[] {
  return resources.flatMap((resource): Permission[] => {
    const most: Verb | 'none' = table[resource][role]
    if (most === 'none') return []
    return most === 'read' ? [`${resource}:read`] : [`${resource}:read`, `${resource}:write`]
  })
}
