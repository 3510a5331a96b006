/** Where the hub says what happens: pino's shape. Never keys in private, session descriptions or addresses of files. */
export interface HubLogger {
  /** What happens in the ordinary course. */
  info(fields: object, message: string): void
  /** What somebody else did wrong, or what may become a problem. */
  warn(fields: object, message: string): void
  /** What the operator has to look into. */
  error(fields: object, message: string): void
}
