/** The package's own declarations do not compile; simple-peer takes it as it is. */
declare module 'wrtc'
