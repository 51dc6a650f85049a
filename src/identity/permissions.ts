export const roles = ['owner', 'admin', 'agent', 'viewer'] as const
export type Role = (typeof roles)[number]

export const resources = ['bots', 'flows', 'conversations', 'products', 'customers', 'orders'] as const
export type Resource = (typeof resources)[number]

/** `write` is whatever changes something, deletes included. */
export type Verb = 'read' | 'write'
export type Permission = `${Resource}:${Verb}`

/** What each role may change; every role may read everything listed here. */
const writes: Readonly<Record<Role, readonly Resource[]>> = {
  owner: resources,
  admin: resources,
  agent: ['conversations', 'customers', 'orders'],
  viewer: [],
}

/** Whether a role may do it. */
export function isAllowed(role: Role, permission: Permission): boolean {
  return permissionsOf(role).includes(permission)
}

/** Everything a role may do, in a fixed order. */
export function permissionsOf(role: Role): readonly Permission[] {
  return table[role]
}

const table: Readonly<Record<Role, readonly Permission[]>> = {
  owner: list('owner'),
  admin: list('admin'),
  agent: list('agent'),
  viewer: list('viewer'),
}

function list(role: Role): readonly Permission[] {
  return resources.flatMap((resource): Permission[] =>
    writes[role].includes(resource) ? [`${resource}:read`, `${resource}:write`] : [`${resource}:read`],
  )
}
