/**
 * Dates as text. A file system gives any number of seconds for a time, and both formats have four digits for the year.
 */

/** Year 0 to 9999. */
const firstMs = -62_167_219_200_000
const lastMs = 253_402_300_799_999

function dateOf(ms: number): Date | undefined {
  return ms >= firstMs && ms <= lastMs ? new Date(ms) : undefined
}

/** `Fri, 13 Nov 2026 10:00:00 GMT` (RFC 9110, section 5.6.7); undefined for what that cannot express. */
export function httpDate(ms: number): string | undefined {
  return dateOf(ms)?.toUTCString()
}

/** `2026-11-13T10:00:00.000Z` (RFC 3339); undefined for what that cannot express. */
export function isoDate(ms: number): string | undefined {
  return dateOf(ms)?.toISOString()
}
