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

Exit codes:
  0 done   1 failure   2 usage   3 not registered or not authenticated   4 hub unreachable
  5 peer unreachable or timed out   6 out of coins   7 integrity failure

Environment: every option names its variable. LIGHTHOUSE_HOME, LIGHTHOUSE_JSON, LIGHTHOUSE_PORT_BASE and
LIGHTHOUSE_LOG_LEVEL hold for every command; NO_COLOR turns colours off.
The home is --home, else the current directory when it has a metadata.json, else $LIGHTHOUSE_HOME, else the
platform's configuration folder.

"lighthouse-peer COMMAND --help" tells more.`,
  demo: `
Examples:
  $ lighthouse-peer demo                    then open http://127.0.0.1:42000/proxy/bob/
  $ lighthouse-peer demo --port-base 43000  when another peer has the usual ports

Everything it makes is in a temporary folder, which goes with Ctrl-C.`,
  hub: `
Examples:
  $ lighthouse-peer hub                     on this machine, port 3000, names and coins in the home's hub.db
  $ lighthouse-peer hub --host 0.0.0.0 --database sqlite:/var/lib/lighthouse/hub.db
  $ lighthouse-peer hub --registration invite   and then: lighthouse-peer hub invite
  $ lighthouse-peer hub --limit offers-per-minute=600 --limit sockets-per-address=256
  $ lighthouse-peer hub --stun stun:stun.example:3478 --turn turn:turn.example:3478 --turn-secret SECRET

Peers speak plain http only to this machine and to private addresses: put a TLS proxy before a public hub, and say
--trust-proxy 1, so that limits hold for each client and not for the proxy.
Several processes serve one community with --database postgres://… and --redis redis://….
When the database of before is gone, empty or another hub's, the hub does not start: restore it, or say --accept-new.
Give secrets as LIGHTHOUSE_TURN_SECRET and LIGHTHOUSE_DATABASE, so that no process list shows them. Several values of a
variable are separated by commas.`,
  'hub invite': `
Examples:
  $ lighthouse-peer hub invite              one code, for the hub whose database is the home's hub.db
  $ lighthouse-peer hub invite --count 10 --database sqlite:/var/lib/lighthouse/hub.db

Works while the hub runs, and while it does not. Only digests are kept: write the codes down.`,
  register: `
Examples:
  $ lighthouse-peer register --hub hub.example:3000 --nickname alice
  $ lighthouse-peer register --hub http://127.0.0.1:3000 --nickname bob --home ~/bob
  $ lighthouse-peer register --hub hub.example:3000 --nickname carol --invite CODE   where the operator gave you one

Writes metadata.json with your key to the home; whoever has that file is you. Repeat the command when it was
interrupted, or when the hub has lost you: nothing is registered twice, and the key stays the same.`,
  up: `
Examples:
  $ lighthouse-peer up                      share ./data, open the dashboard
  $ lighthouse-peer up --share ~/Films --no-open
  $ lighthouse-peer up --share 127.0.0.1:8080   a TCP service of this machine instead of a folder
  $ lighthouse-peer up --json --port-base 0   for a program: the addresses first, then what happens, a line each`,
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
  $ lighthouse-peer get bob/films/film.mp4  as film.mp4 into the current folder
  $ lighthouse-peer get 'bob/été, 100 %.ogg' -o ~/Music
  $ lighthouse-peer get lighthouse://bob/a%20b.mp4 -o b.mp4 --force
  $ lighthouse-peer get bob/films.tar -o - | tar -x

Through the running peer, and paid for like everything: a coin for a megabyte. While it grows it is FILE.part, with
FILE.part.json beside it (less of a very long name), and it gets its name when all of it is there. A file that is there already is left alone,
unless you say --force. A connection that breaks is made again, until ten attempts in a row brought nothing. After
Ctrl-C, or when the coins run out (exit code 6), the same command goes on where it stopped; a file that has changed
since is fetched from its beginning. Exit code 7 means that what was sent is not what was announced.

With -o - the file goes to stdout as it comes, and everything else to stderr; a pipe or a device as FILE is written to
likewise. It cannot be taken back: another run begins anew, and where the file changes in the middle it ends with exit
code 7. Where the other side announces no length, --max is the most that is fetched unasked: on a terminal you are
asked whether to go on, elsewhere that is the end.`,
  forgive: `
Examples:
  $ lighthouse-peer forgive bob             bob owes 0.350000 coins less here.

Who took a megabyte on credit and has not paid is sent nothing more. What a broken connection lost on the way is a
debt too, though nobody can sign for it, so that in the end it may be somebody honest who is told that coins are
owed here. Whether to forgive them is yours to decide; receipts that you hold are settled all the same.`,
  ledger: `
Examples:
  $ lighthouse-peer ledger verify           is the ledger of my hub right?
  $ lighthouse-peer ledger export -o ledger.ndjson

"lighthouse-peer ledger verify --help" tells more.`,
  'ledger verify': `
Examples:
  $ lighthouse-peer ledger verify           the ledger of the hub that this home is registered at
  $ lighthouse-peer ledger verify --mine    and is every line about me what I signed, and was promised?
  $ lighthouse-peer ledger verify https://hub.example --fast
  $ lighthouse-peer ledger verify sqlite:/var/lib/lighthouse/hub.db   while the hub is stopped
  $ lighthouse-peer ledger verify ledger.ndjson --json

Follows the chain from its first block: numbers, hashes, shapes, every receipt with its signature, what each
session had settled before, and that the wallets add up to the grants and none is below zero. The first block
that is wrong is named, with exit code 7. At a hub's address the end must be the head that the hub signs now, and
not before one that this home keeps; a SQLite file must be whole. --fast leaves the signatures of receipts out, which
take most of the time.
--mine writes what proves a forged, changed or missing line to evidence-*.json in the home. It compares with the
hub whose key the home remembers and no other; a file or database may end earlier, which is said and no evidence.`,
  'ledger export': `
Examples:
  $ lighthouse-peer ledger export -o ledger.ndjson      of the hub that this home is registered at
  $ lighthouse-peer ledger export https://hub.example | gzip > ledger.ndjson.gz
  $ lighthouse-peer ledger export postgres://hub@db/hub -o ledger.ndjson

One block a line, as JSON. Nothing is checked on the way but that a hub goes up to the head that it signs (exit
code 7 otherwise): verify the file afterwards.`,
  stop: `
Examples:
  $ lighthouse-peer stop
  $ lighthouse-peer stop --home ~/bob`,
}
