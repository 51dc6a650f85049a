// Pieces of the statements that read lists. They are prepared once for all values of their parameters, so PostgreSQL may
// keep one plan for all of them, made without knowing any: what it guesses then must not lead it to read a whole table.

/** The most rows that a page of a list takes: a hundred, and one more that says whether there is another page. */
const pageRowsMax = 101

/**
 * The first rows of a list in its own order, as many as the parameter `limit` says, 101 at most. Of a limit it does not
 * know PostgreSQL guesses a tenth of all rows, and may sort a million for twenty; the constant says that they are few.
 */
export function firstRows(select: string, limit: string): string {
  return `select * from (${select} limit ${pageRowsMax}) first_rows limit ${limit}`
}

/**
 * A condition that counts only where its parameter is not null. Written as `or`, PostgreSQL would guess that next to no
 * row fits, and that it has to read them all anyway; of this it guesses the half.
 */
export function ifGiven(parameter: string, condition: string): string {
  return `case when ${parameter} is null then true else ${condition} end`
}
