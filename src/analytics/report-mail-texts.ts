import type { Language } from '../messaging/tenant-settings.ts'

export type MailTexts = {
  readonly daily: string
  readonly weekly: string
  readonly inbound: string
  readonly outbound: string
  readonly errorRate: string
  readonly response: string
  readonly conversions: string
  readonly orders: string
  readonly topProducts: string
  readonly none: string
  readonly attached: string
}

/** What a report's mail says, in each language. */
export const mailTexts: Readonly<Record<Language, MailTexts>> = {
  es: {
    ...{ daily: 'Informe diario', weekly: 'Informe semanal' },
    ...{ inbound: 'Mensajes recibidos', outbound: 'Mensajes enviados', errorRate: 'Envíos fallidos' },
    ...{ response: 'Tiempo de respuesta', conversions: 'Conversiones', orders: 'Pedidos' },
    ...{ topProducts: 'Lo más vendido', none: 'ninguno' },
    attached: 'Todas las cifras están en el archivo adjunto.',
  },
  en: {
    ...{ daily: 'Daily report', weekly: 'Weekly report' },
    ...{ inbound: 'Messages received', outbound: 'Messages sent', errorRate: 'Failed sends' },
    ...{ response: 'Response time', conversions: 'Conversions', orders: 'Orders' },
    ...{ topProducts: 'Most sold', none: 'none' },
    attached: 'All figures are in the file attached.',
  },
  pt: {
    ...{ daily: 'Relatório diário', weekly: 'Relatório semanal' },
    ...{ inbound: 'Mensagens recebidas', outbound: 'Mensagens enviadas', errorRate: 'Envios com falha' },
    ...{ response: 'Tempo de resposta', conversions: 'Conversões', orders: 'Pedidos' },
    ...{ topProducts: 'Mais vendidos', none: 'nenhum' },
    attached: 'Todos os números estão no arquivo anexo.',
  },
}
