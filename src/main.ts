import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { RebuildArguments } from './analytics/run-rebuild.ts'
import type { RoleName } from './app.ts'
import type { ReplayOptions } from './commands/run-replay.ts'
import { readConfig, settings } from './config.ts'
import { messageOf, UsageError } from './lib/errors.ts'
import { type Log, makeLog } from './lib/log.ts'

/** A stop that takes longer ends the process all the same. */
const stopDeadlineMs = 10_000
/** A second signal ends the process at once; one signal can arrive twice, from the terminal and handed on by npm. */
const sameSignalMs = 500

const program = new Command('dashoffice')
  .description("Answers a small business's customers on WhatsApp with bots that take orders.")
  .version(packageJson.version)
  .helpCommand(false)
  .showHelpAfterError('(dashoffice --help tells what there is)')
  .addHelpText('after', settingsHelp)
  .exitOverride()

program
  .command('up')
  .description('run every role in one process')
  .action(() => runRoles(undefined))

const roleDescriptions: Readonly<Record<RoleName, string>> = {
  gateway: 'the REST API',
  adapter: 'the webhooks of the WhatsApp providers, and the sender',
  orchestrator: 'the turns of conversations, and their timers',
  analytics: 'the analytics engine',
}
for (const [name, what] of Object.entries(roleDescriptions)) {
  const role = program
    .command(name)
    .description(`run one role: ${what} (needs DATABASE_URL and REDIS_URL)`)
    .action(() => runRoles(name as RoleName))
  if (name === 'analytics') addRebuild(role)
}

program
  .command('baileys-bridge')
  .description(
    'run the bridge to WhatsApp Web by itself, at BAILEYS_BRIDGE_URL; else the adapter starts it when a bot needs it',
  )
  .action(async () => {
    const { restartStatus } = await import('./whatsapp/baileys/protocol.ts')
    const { runBridge } = await import('./whatsapp/baileys/run-bridge.ts')
    const { config, log } = configure()
    const stopAnd = (status: number) => starting.then(bridge => bridge.stop()).then(() => process.exit(status), fail)
    const starting = runBridge(config, log, process.env, () => void stopAnd(restartStatus))
    untilSignal(starting)
    await starting
    // The adapter that started it has ended, however it did.
    process.on('disconnect', () => void stopAnd(0))
    if (process.send !== undefined && !process.connected) void stopAnd(0)
  })

const migrate = program.command('migrate').description('SQL migrations, each with an up and a down')
migrate
  .command('add')
  .argument('<NAME>', 'what it does: lower-case letters, digits and _')
  .description('make an empty pair of files')
  .action(async (name: string) => {
    const { addMigration } = await import('./stores/postgres/migrate.ts')
    for (const path of addMigration(name)) print(path)
  })
migrate
  .command('run')
  .description('apply every migration that is missing')
  .action(() =>
    onPostgres(async ({ pool, migrations, runMigrations }) => {
      const applied = await runMigrations(pool, migrations)
      for (const { version, name } of applied) print(`applied ${pad(version)} ${name}`)
      if (applied.length === 0) print('nothing to apply')
    }),
  )
migrate
  .command('revert')
  .description('undo the newest applied migration')
  .action(() =>
    onPostgres(async ({ pool, migrations, revertMigration }) => {
      const reverted = await revertMigration(pool, migrations)
      print(reverted === undefined ? 'nothing to revert' : `reverted ${pad(reverted.version)} ${reverted.name}`)
    }),
  )
migrate
  .command('status')
  .description('list migrations, and when each was applied')
  .action(() =>
    onPostgres(async ({ pool, migrations, migrationStatus }) => {
      for (const { version, name, appliedAt } of await migrationStatus(pool, migrations))
        print(`${pad(version)} ${name}  ${appliedAt === null ? 'not applied' : `applied ${appliedAt.toISOString()}`}`)
    }),
  )

const flow = program.command('flow').description('check a flow, talk to it, or rebuild a conversation')
flow
  .command('check')
  .argument('<FILE>', 'a flow document, JSON')
  .description('say what is wrong with a flow, step and field named')
  .action(async (file: string) => {
    const { checkFlowFile } = await import('./commands/check-flow-file.ts')
    process.exitCode = checkFlowFile(file, print) ? 0 : 1
  })
flow
  .command('simulate')
  .argument('<FILE>', 'a flow document, JSON')
  .option('--products <FILE>', 'what the catalog has: a JSON list of {sku, name, price_minor, currency, stock?}')
  .option(
    '--answers <FILE>',
    'what those outside answer: a JSON list of {step?, handler?, result}, as the API takes it',
  )
  .description('talk to a flow in the terminal: each line is what the customer writes; needs no database')
  .action(async (file: string, options: { products?: string; answers?: string }) => {
    const { simulateFlowFile } = await import('./commands/simulate-flow-file.ts')
    const given = { file, products: options.products, answers: options.answers }
    process.exitCode = (await simulateFlowFile(given, linesOfStdin(), print)) ? 0 : 1
  })
flow
  .command('replay')
  .argument('[CONVERSATION_ID]', 'the id of a conversation; without it, the newest that were in --flow')
  .description('tell a conversation turn by turn and hold its events against its stored state, or play it in a draft')
  .option('--events', 'its events as they are stored, instead of words')
  .option('--json', 'one JSON document, instead of words')
  .option(
    '--against <DRAFT>',
    'say where it would go otherwise in a flow document (a file), or in the draft of a flow (its id)',
  )
  .option('--flow <FLOW_ID>', 'the flow that the draft replaces; without it, the one of its name')
  .option('--last <N>', 'how many conversations, where no CONVERSATION_ID is given', '100')
  .action(async (conversationId: string | undefined, options: ReplayOptions) => {
    const { runReplay } = await import('./commands/run-replay.ts')
    const { config, log } = configure('warn')
    process.exitCode = (await runReplay(config, log, { conversationId, ...options }, print)) ? 0 : 1
  })

const tenant = program
  .command('tenant')
  .description('list the tenants, limit what one may ask of the API, hand one out, or erase it')
tenant
  .command('list')
  .description('one line each, newest first: id, requests a minute, since when, name')
  .action(async () => {
    const { printTenants } = await import('./commands/tenants.ts')
    const { config, log } = configure('warn')
    await printTenants(config, log, print)
  })
tenant
  .command('limit')
  .argument('<TENANT_ID>', 'the id of a tenant')
  .argument('<LIMIT>', 'requests a minute of all its users and keys together, or "default": RATE_LIMIT_API_PER_MINUTE')
  .description('set what a tenant may ask a minute')
  .action(async (tenantId: string, limit: string) => {
    const { setTenantLimit } = await import('./commands/tenants.ts')
    const { config, log } = configure('warn')
    await setTenantLimit(config, log, { tenantId, limit }, print)
  })
tenant
  .command('export')
  .argument('<TENANT_ID>', 'the id of a tenant')
  .argument('<FILE>', 'where to write it; must not be there yet')
  .description('write all that there is of a tenant into one file: JSON lines, with its files, without secrets')
  .action(async (tenantId: string, file: string) => {
    const { exportTenantTo } = await import('./commands/tenant-privacy.ts')
    const { config, log } = configure('warn')
    await exportTenantTo(config, log, { tenantId, file }, print)
  })
tenant
  .command('erase')
  .argument('<TENANT_ID>', 'the id of a tenant')
  .requiredOption('--yes-really <NAME>', 'the name of the tenant, as dashoffice tenant list tells it')
  .description('disconnect the bots of a tenant and erase everything of it, everywhere: there is no way back')
  .action(async (tenantId: string, options: { yesReally: string }) => {
    const { eraseTenantFor } = await import('./commands/tenant-privacy.ts')
    const { config, log } = configure('warn')
    await eraseTenantFor(config, log, { tenantId, name: options.yesReally }, print)
  })

program
  .command('emulate')
  .description(
    "run the phone emulator alone: the APIs of Meta, 360dialog, Twilio and Evolution, and a chat page that plays the customer's phone",
  )
  .option('--fault <FAULT...>', 'what goes wrong, e.g. 429:3, 500, hang:1, duplicate, delay:500, reorder', collect, [])
  .option('--no-rates', "do not hold to the providers' rates")
  .action(async (options: { fault: string[]; rates: boolean }) => {
    const { startEmulator } = await import('../emulator/emulator.ts')
    const { parseFault } = await import('../emulator/faults.ts')
    const { config } = configure('warn')
    const faults = options.fault.map(text => orWrongUsage(() => parseFault(text)))
    const starting = startEmulator({
      host: config.HOST,
      port: config.EMULATOR_PORT,
      faults,
      ...(options.rates ? {} : { rates: 'off' as const }),
    })
    untilSignal(starting)
    print(`The phone emulator is at ${(await starting).url}  (Ctrl-C stops it)`)
  })

program
  .command('demo')
  .description('everything at once, with a demo shop: plays one conversation to its order, and stays up')
  .action(async () => {
    const { startDemo } = await import('../demo/demo.ts')
    const { config, log } = configure('warn')
    const starting = startDemo(config, log, print)
    untilSignal(starting)
    await starting
  })

try {
  await program.parseAsync()
} catch (error) {
  fail(error)
}

function addRebuild(analytics: Command): void {
  analytics
    .command('rebuild')
    .option('--tenant <TENANT_ID>', 'only those of this tenant')
    .option('--logs', 'first the logs of messages and conversations, from the tables: after they were lost, or spoilt')
    .description('make the figures anew from the logs, while the roles run or not')
    .action(async (options: RebuildArguments) => {
      const { runRebuild } = await import('./analytics/run-rebuild.ts')
      const { config, log } = configure('warn')
      await runRebuild(config, log, options, print)
    })
}

async function runRoles(name: RoleName | undefined): Promise<void> {
  const { startApp } = await import('./app.ts')
  const { config, log } = configure()
  const starting = startApp(config, log, name === undefined ? undefined : [name])
  const stopping = async () => {
    log.info('stopping')
    await (await starting).stop()
    log.info('stopped')
  }
  untilSignal(starting.then(() => ({ stop: stopping })))
  log.info({ urls: (await starting).urls }, 'ready')
}

function configure(level?: 'warn') {
  const config = readConfig(process.env)
  const log: Log = makeLog({ level: process.env.LOG_LEVEL ? config.LOG_LEVEL : (level ?? 'info'), dir: config.LOG_DIR })
  return { config, log }
}

/** The migration commands' set-up: the configured database, without bringing it up to date first. */
async function onPostgres(
  work: (
    tools: typeof import('./stores/postgres/migrate.ts') & {
      pool: ReturnType<typeof import('./stores/postgres/database.ts').connect>
      migrations: ReturnType<typeof import('./stores/postgres/migrate.ts').readMigrations>
    },
  ) => Promise<void>,
): Promise<void> {
  const [tools, { connect }, { openPostgresBeside }] = await Promise.all([
    import('./stores/postgres/migrate.ts'),
    import('./stores/postgres/database.ts'),
    import('./stores/postgres/open.ts'),
  ])
  const { config, log } = configure('warn')
  const postgres = await openPostgresBeside(config, log)
  const pool = connect(postgres.target, 1)
  try {
    await work({ ...tools, pool, migrations: tools.readMigrations() })
  } finally {
    await pool.close()
    await postgres.close()
  }
}

/** What is written, line by line; shown again where it does not come from a terminal, so that the output tells all. */
async function* linesOfStdin(): AsyncGenerator<string> {
  const isTerminal = process.stdin.isTTY === true
  if (isTerminal) process.stdout.write('> ')
  for await (const line of console) {
    if (!isTerminal && line !== '') print(`> ${line}`)
    yield line
    if (isTerminal) process.stdout.write('> ')
  }
}

/** Stops cleanly at Ctrl-C or a service manager's SIGTERM; what is still starting, as soon as it has. */
function untilSignal(starting: Promise<{ stop(): Promise<void> }>): void {
  // Whoever started it hears of a start that fails.
  starting.catch(() => undefined)
  let stoppingSince: number | undefined
  const onSignal = (_name: string, number: number) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > sameSignalMs) process.exit(128 + number)
      return
    }
    stoppingSince = performance.now()
    setTimeout(() => process.exit(1), stopDeadlineMs).unref()
    starting.then(running => running.stop()).then(() => process.exit(0), fail)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}

/** One line for what the user can put right; a stack for a defect. */
function fail(error: unknown): never {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  if (error instanceof UsageError) {
    process.stderr.write(`dashoffice: ${error.message}\n`)
    process.exit(error.exitStatus)
  }
  process.stderr.write(`dashoffice: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(1)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function pad(version: number): string {
  return String(version).padStart(4, '0')
}

function collect(value: string, values: string[]): string[] {
  return [...values, value]
}

function orWrongUsage<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new UsageError(messageOf(error), 2)
  }
}

function settingsHelp(): string {
  const width = Math.max(...Object.keys(settings).map(name => name.length))
  const lines = Object.entries(settings).map(([name, { meaning, fallback }]) => {
    const standard = fallback === undefined ? '' : ` (${fallback})`
    return `  ${name.padEnd(width)}  ${meaning}${standard}`
  })
  return `\nSettings, from the environment or .env:\n${lines.join('\n')}`
}
