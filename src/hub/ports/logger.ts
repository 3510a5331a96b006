/** Where the hub says what happens: pino's shape. Never keys in private, session descriptions or addresses of files. */
export interface HubLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
