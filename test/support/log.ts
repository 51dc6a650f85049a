import { type Log, type LogLevel, logLevels, makeLog } from '../../src/lib/log.ts'

/** What the program logs in a test: everything where the whole suite runs, which looks for secrets in it. */
export const testLogLevel: LogLevel = logLevels.find(level => level === process.env.TEST_LOG_LEVEL) ?? 'error'

export function makeTestLog(): Log {
  return makeLog({ level: testLogLevel, dir: undefined })
}
