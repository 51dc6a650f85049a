/**
 * For an update of `messages m` that changes the status: the assignments that note when each status was reached, and that
 * the message is to be told of again. `status` and `at` are SQL for the new status and its time; `m` is the row before.
 * Each time is set once and stays. Whoever reads them may take them for what happened: whoever was read was delivered,
 * even where nobody told of that, and what was delivered was accepted.
 */
export function statusTimes(status: string, at: string): string {
  const first = (column: string, from: string, to: string) =>
    `${column} = case when m.${column} is null and m.status in (${from}) and ${status} in (${to}) then ${at} else m.${column} end`
  return [
    first('sent_at', "'queued', 'unknown'", "'sent', 'delivered', 'read'"),
    first('delivered_at', "'queued', 'unknown', 'sent'", "'delivered', 'read'"),
    first('read_at', "'queued', 'unknown', 'sent', 'delivered'", "'read'"),
    first('failed_at', "'queued', 'unknown', 'sent'", "'failed'"),
    first('unknown_at', "'queued'", "'unknown'"),
    'tx = default',
  ].join(',\n        ')
}
