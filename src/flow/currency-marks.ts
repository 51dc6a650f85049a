import { foldAnswer } from './reading.ts'

// Signs are those of the Unicode CLDR ("narrow" symbols, and the symbols of each country's own locale); words are the
// names that people use in Spanish, English and Portuguese.
const CURRENCIES_BY_MARK: Readonly<Record<string, string>> = {
  $: 'ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUC CUP CVE DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU XCD',
  us$: 'USD',
  u$s: 'USD',
  u$d: 'USD',
  'b/.': 'PAB',
  'bs.s': 'VES',
  'bs.': 'BOB VES',
  bs: 'BOB VES VEF',
  c$: 'NIO CAD',
  fcfa: 'XAF XOF',
  'gs.': 'PYG',
  gs: 'PYG',
  kr: 'DKK ISK NOK SEK',
  kz: 'AOA',
  l: 'HNL',
  'l.': 'HNL',
  lps: 'HNL',
  mx$: 'MXN',
  mt: 'MZN',
  mtn: 'MZN',
  q: 'GTQ',
  'q.': 'GTQ',
  r: 'ZAR',
  r$: 'BRL',
  rd$: 'DOP',
  's/': 'PEN',
  's/.': 'PEN',
  '£': 'GBP EGP FKP GIP LBP SHP SSP SYP',
  '¥': 'JPY CNY',
  '€': 'EUR',
  '₡': 'CRC SVC',
  '₦': 'NGN',
  '₩': 'KRW KPW',
  '₱': 'PHP CUP',
  '₲': 'PYG',
  '₹': 'INR',
  '₺': 'TRY',
  '₴': 'UAH',
  '₽': 'RUB',
  balboas: 'PAB',
  bolivares: 'VES VEF',
  bolivianos: 'BOB',
  colones: 'CRC SVC',
  cordobas: 'NIO',
  dinares: 'BHD DZD IQD JOD KWD LYD MKD RSD TND',
  dolares: 'AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD USD XCD',
  escudos: 'CVE',
  euros: 'EUR',
  francos: 'BIF CDF CHF DJF GNF KMF RWF XAF XOF XPF',
  guaranies: 'PYG',
  kwanzas: 'AOA',
  lempiras: 'HNL',
  libras: 'EGP FKP GBP GIP LBP SDG SHP SSP SYP',
  meticales: 'MZN',
  pesos: 'ARS CLP COP CUC CUP DOP MXN PHP UYU',
  quetzales: 'GTQ',
  reales: 'BRL',
  soles: 'PEN',
  yenes: 'JPY',
}

/** Other words for the same, and what one of each is called. */
const SAME_AS: Readonly<Record<string, readonly string[]>> = {
  balboas: ['balboa'],
  bolivares: ['bolivar'],
  bolivianos: ['boliviano'],
  colones: ['colon'],
  cordobas: ['cordoba'],
  dinares: ['dinar', 'dinars'],
  dolares: ['dolar', 'dollar', 'dollars'],
  escudos: ['escudo'],
  euros: ['euro'],
  francos: ['franco', 'franc', 'francs'],
  guaranies: ['guarani'],
  kwanzas: ['kwanza'],
  lempiras: ['lempira'],
  libras: ['libra', 'pound', 'pounds'],
  meticales: ['metical', 'meticais'],
  pesos: ['peso'],
  quetzales: ['quetzal'],
  reales: ['real', 'reais'],
  soles: ['sol'],
  yenes: ['yen', 'ien', 'ienes'],
}

const marks = new Map<string, readonly string[]>()
for (const code of Intl.supportedValuesOf('currency')) marks.set(code.toLowerCase(), [code])
for (const [mark, codes] of Object.entries(CURRENCIES_BY_MARK)) {
  for (const same of [mark, ...(SAME_AS[mark] ?? [])]) marks.set(foldAnswer(same), codes.split(' '))
}

/** The currencies that a sign, a code or a word may mean, folded by `foldAnswer`; null for what is none of them. */
export function currenciesOf(mark: string): readonly string[] | null {
  // "USD$" is written too, and a sentence ends with a point; a sign that stands for none of these is still one of money.
  return marks.get(mark) ?? marks.get(mark.replace(/[$.]$/, '')) ?? (/^\p{Sc}$/u.test(mark) ? [] : null)
}
