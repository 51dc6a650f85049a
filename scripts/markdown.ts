// What the pages of docs/reference are put together from.

const note = '<!-- Made by `npm run docs` from the code: change it there. -->'

export function page(title: string, about: string, body: string): string {
  return `${note}\n\n# ${title}\n\n${about}\n\n${body}\n`
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function jsonBlock(value: unknown): string {
  return `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``
}
