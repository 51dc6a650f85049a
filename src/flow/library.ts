import type { CompiledFlow } from './compile.ts'

/** Where the engine finds flows. Both look-ups are synchronous and answer the same during one call of `step`. */
export type FlowLibrary = {
  /** One version of a flow; undefined when it isn't there (the run then fails and a person is called). */
  readonly byId: (flowId: string, version: number) => CompiledFlow | undefined
  /** The published version of the flow of that name, for a `flow` step. */
  readonly published: (name: string) => PublishedFlow | undefined
}

/** A published flow with its id and version. */
export type PublishedFlow = { readonly flow_id: string; readonly version: number; readonly flow: CompiledFlow }
