/** Texts below the options, by command: how the command is used. */
export const examples: Readonly<Record<string, string>> = {
  program: `
First contact:
  $ lighthouse-peer demo                    a hub and two peers on this machine

With a friend:
  $ lighthouse-peer register --hub hub.example:3000 --nickname alice
  $ lighthouse-peer up --share ~/Films      share a folder, open the dashboard
  then open http://127.0.0.1:42000/proxy/bob/ to see what bob shares
  $ lighthouse-peer get bob/film.mp4        fetch one of the files
  $ lighthouse-peer invite                  a link with which somebody else joins

Exit codes:
  0 done   1 failure   2 usage   3 not registered or not authenticated   4 hub unreachable
  5 peer unreachable or timed out   6 out of coins   7 integrity failure

Environment: the help of each option names its variable. LIGHTHOUSE_HOME, LIGHTHOUSE_JSON, LIGHTHOUSE_PORT_BASE and
LIGHTHOUSE_LOG_LEVEL apply to every command; NO_COLOR turns colours off.
The home is --home, else the current directory if it has a metadata.json, else $LIGHTHOUSE_HOME, else the
platform's configuration folder.

Run "lighthouse-peer COMMAND --help" for details and examples.`,
  demo: `
Examples:
  $ lighthouse-peer demo                    then open http://127.0.0.1:42000/proxy/bob/
  $ lighthouse-peer demo --port-base 43000  when another peer uses the default ports

Everything is stored in a temporary folder, which is removed on Ctrl-C.`,
  hub: `
Examples:
  $ lighthouse-peer hub                     on this machine, port 3000, with names and coins in hub.db in the home
  $ lighthouse-peer hub --host 0.0.0.0 --database sqlite:/var/lib/lighthouse/hub.db
  $ lighthouse-peer hub --registration invite   and then: lighthouse-peer hub invite
  $ lighthouse-peer hub --limit offers-per-minute=600 --limit sockets-per-address=256
  $ LIGHTHOUSE_TURN_SECRET=… lighthouse-peer hub --turn turn.example   STUN and TURN of the coturn there

Peers use plain HTTP only with a hub on this machine or at a private address. Put a TLS proxy in front of a public hub and
pass --trust-proxy 1, so that limits apply to each client and not to the proxy.
To run several processes for one community, use --database postgres://… and --redis redis://….
If the hub's database is missing, empty or another hub's, the hub does not start: restore it, or pass --accept-new.
Pass secrets in LIGHTHOUSE_TURN_SECRET and LIGHTHOUSE_DATABASE, so that they do not appear in the process list. Separate
several values of a variable with commas.`,
  'hub invite': `
Examples:
  $ lighthouse-peer hub invite              one code, for the hub whose database is hub.db in the home
  $ lighthouse-peer hub invite --count 10 --database sqlite:/var/lib/lighthouse/hub.db

Works whether or not the hub is running. Only digests are stored, so write the codes down.`,
  register: `
Examples:
  $ lighthouse-peer register --hub hub.example:3000 --nickname alice
  $ lighthouse-peer register --hub http://127.0.0.1:3000 --nickname bob --home ~/bob
  $ lighthouse-peer register --hub hub.example:3000 --nickname carol --invite CODE   if the operator gave you a code
  $ lighthouse-peer register lighthouse://join/AQ… --nickname dave   with an invitation from somebody

Writes metadata.json with your private key to the home. Anybody who has that file can act as you. If the command was
interrupted, or the hub has lost your registration, run it again: nothing is registered twice, and the key stays the same.`,
  up: `
Examples:
  $ lighthouse-peer up                      share ./data, open the dashboard
  $ lighthouse-peer up --share ~/Films --no-open
  $ lighthouse-peer up lighthouse://join/AQ…   register with an invitation, then the same
  $ lighthouse-peer up --share 127.0.0.1:8080   a TCP service on this machine instead of a folder
  $ lighthouse-peer up --json --port-base 0   for programs: the addresses first, then one line for each event`,
  doctor: `
Examples:
  $ lighthouse-peer doctor                  hub, clock, STUN, TURN, router, ports, folder, disk: each with what to do
  $ lighthouse-peer doctor bob              and each phase of a connection to bob, with its time
  $ lighthouse-peer doctor --json | jq '.doctor.checks[] | select(.status == "fail")'

If your peer is running, the doctor uses it; if not, it signs in for a moment, and leaves the session of a peer elsewhere that
has the same key alone. It takes 20 s at the most, with NICK another 25. The connection to NICK costs the bytes of one answer
without a body. --share, --engine and --port-base are what you would pass to up.

Exit codes: 0 everything works, warnings included; else 7, 3, 4, 6 or 5 by the most serious failure, or 1 if it is only of
this machine or network.`,
  status: `
Examples:
  $ lighthouse-peer status
  $ lighthouse-peer status --json | jq .connections`,
  coins: `
Examples:
  $ lighthouse-peer coins                   61.947635
  $ lighthouse-peer coins --json`,
  get: `
Examples:
  $ lighthouse-peer get bob/films/film.mp4  to film.mp4 in the current folder
  $ lighthouse-peer get 'bob/été, 100 %.ogg' -o ~/Music
  $ lighthouse-peer get lighthouse://bob/a%20b.mp4 -o b.mp4 --force
  $ lighthouse-peer get bob/films.tar -o - | tar -x

The download goes through the running peer and costs one coin a megabyte. Until it is complete it is stored as FILE.part,
with FILE.part.json beside it (a very long name is shortened); then it gets its name. An existing file is not replaced
unless you pass --force. If the connection breaks, get reconnects, and gives up after ten attempts in a row without data.
After Ctrl-C, or when you run out of coins (exit code 6), run the same command again to resume. A file that has changed
since is downloaded from the beginning. Exit code 7 means that the data does not match what was announced.

With -o - the file is written to stdout as it arrives, and everything else to stderr. FILE can also be a pipe or a device.
Such output cannot be undone: another run starts from the beginning, and if the file changes during the download, get ends
with exit code 7. If the other side does not announce a size, get stops at --max: on a terminal it asks whether to
continue, otherwise it ends.`,
  forgive: `
Examples:
  $ lighthouse-peer forgive bob             bob owes 0.350000 coins less here.

A peer that has received a megabyte on credit without paying is sent nothing more. Bytes that were lost when a connection
broke count as debt too, although nobody can sign for them, so an honest peer may end up owing you coins. This command
writes the debt off. Receipts that you hold are settled all the same.`,
  invite: `
Examples:
  $ lighthouse-peer invite                  a link, and on a terminal a QR code
  $ lighthouse-peer invite --code CODE      for a hub that takes members by invitation
  $ lighthouse-peer invite --json | jq -r .invitation.link

The link carries the hub's address and key, the code, and your nickname and key. Whoever runs "lighthouse-peer up LINK" is asked
for a nickname only, refuses a hub with another key before anything is sent there, and knows you by your key from the start.
Codes are for the operator to give ("lighthouse-peer hub invite"), each for one person: so is a link with a code.`,
  trust: `
Examples:
  $ lighthouse-peer trust bob               the key that the hub gives for bob, and the one that you know
  $ lighthouse-peer trust bob --yes         accept it without being asked
  $ lighthouse-peer trust --own-hub             the same for the hub that this home is registered at

The key of each peer is remembered at the first connection, and a peer with another one is refused: the hub, or somebody in
between, may be posing as bob. A key also changes when bob has lost the old one and registers again. Compare the fingerprint with what
"lighthouse-peer status" shows on bob's side, over a channel where you know each other, and only then accept it. Receipts,
debts and what you decided about the site of the old key stay with the old key. Without a terminal, or with --json, --yes is needed.

A hub with another key is another hub, with names and coins of its own: register there again.`,
  forget: `
Examples:
  $ lighthouse-peer forget bob

Forgets bob's key, and whether the pages of that site may run programs in your browser. The next key under that nickname is
trusted at the first connection, unseen: to accept a key that changed use "lighthouse-peer trust bob". Receipts and debts stay.`,
  ledger: `
Examples:
  $ lighthouse-peer ledger verify           check the ledger of your hub
  $ lighthouse-peer ledger export -o ledger.ndjson

Run "lighthouse-peer ledger verify --help" for details.`,
  'ledger verify': `
Examples:
  $ lighthouse-peer ledger verify           the ledger of the hub that this home is registered at
  $ lighthouse-peer ledger verify --mine    also compare every line about you with what you signed and received
  $ lighthouse-peer ledger verify https://hub.example --fast
  $ lighthouse-peer ledger verify sqlite:/var/lib/lighthouse/hub.db   while the hub is stopped
  $ lighthouse-peer ledger verify ledger.ndjson --json

Checks the chain from the first block: block numbers, hashes, formats, every receipt and its signature, the amount that
each session had settled before, that the wallets add up to the grants, and that no wallet is negative. The first wrong
block is named, with exit code 7. A hub's ledger must end with the head that the hub signs now, and not before a head that
this home keeps; a SQLite file must be intact. --fast skips the signatures of receipts, which take most of the time.
--mine writes evidence of forged, changed or missing lines to evidence-*.json in the home. It accepts only the hub whose
key the home remembers. A file or database may end earlier; that is reported, and is not evidence.`,
  'ledger export': `
Examples:
  $ lighthouse-peer ledger export -o ledger.ndjson      of the hub that this home is registered at
  $ lighthouse-peer ledger export https://hub.example | gzip > ledger.ndjson.gz
  $ lighthouse-peer ledger export postgres://hub@db/hub -o ledger.ndjson

Writes one block a line, as JSON. Checks only that a hub's ledger reaches the head that the hub signs (exit code 7 if it
does not): verify the file afterwards.`,
  stop: `
Examples:
  $ lighthouse-peer stop
  $ lighthouse-peer stop --home ~/bob`,
}
