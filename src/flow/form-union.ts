import * as v from 'valibot'

/**
 * A union of which a look at the input tells the form that is meant, so that what is wrong is said of that form and not
 * of all. Where `formOf` tells none, the complaint is `message`.
 */
export function formUnion<const TOptions extends readonly v.GenericSchema[]>(
  options: TOptions,
  formOf: (input: object) => TOptions[number] | undefined,
  message: string,
): v.GenericSchema<v.InferInput<TOptions[number]>, v.InferOutput<TOptions[number]>> {
  const union = v.union(options, message)
  const run: v.GenericSchema['~run'] = (dataset, config) => {
    const { value } = dataset
    const form = typeof value === 'object' && value !== null ? formOf(value) : undefined
    return (form ?? union)['~run'](dataset, config)
  }
  return { ...union, '~run': run }
}
