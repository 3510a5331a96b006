/** Where conditions can follow. The signature is in `n.*` where the schema has it already. */
export const selectNamedWallets =
  'SELECT n.*, w.pub_key AS wallet, w.bytes FROM wallets w LEFT JOIN names n ON n.pub_key = w.pub_key'

/** Sessions with the receipt of the block that settled last. */
export const selectLastReceipts = 'SELECT s.*, b.receipt FROM sessions s LEFT JOIN blocks b ON b.seq = s.last_seq'
