import { lookup } from 'mime-types'

/** Media that the library's table does not know, or knows by a name that players do not: types with their endings. */
const added: Readonly<Record<string, string>> = {
  'video/mp4': 'm4v',
  'video/mpeg': 'evo mp2v mpeg1 mpeg2 mpeg4 mpv mpv2 tod vob vro',
  'video/mp2t': 'tp trp',
  'video/3gpp2': '3gp2',
  'video/h264': '264 avc',
  'video/h265': '265 h265 hevc',
  'video/av1': 'av1 obu',
  'video/dv': 'dv',
  'video/x-amv': 'amv',
  'video/x-bink': 'bik bk2',
  'video/x-dirac': 'drc',
  'video/x-ivf': 'ivf',
  'video/x-ms-dvr': 'dvr-ms',
  'video/x-ms-wtv': 'wtv',
  'video/x-msvideo': 'divx',
  'video/x-nsv': 'nsv',
  'video/x-nuv': 'nuv',
  'video/x-ogm': 'ogm',
  'video/x-yuv4mpeg': 'y4m',
  'audio/3gpp': '3ga',
  'audio/aac': 'adt',
  'audio/ac3': 'a52 ac3',
  'audio/amr-wb': 'awb',
  'audio/atrac3': 'aa3 at3 oma',
  'audio/eac3': 'eac3 ec3',
  'audio/flac': 'flac',
  'audio/mp4': 'alac m4p m4r',
  'audio/mpeg': 'm1a mp1 mpa',
  'audio/prs.sid': 'sid',
  'audio/qcelp': 'qcp',
  'audio/true-hd': 'thd truehd',
  'audio/vnd.audible.aax': 'aax',
  'audio/vnd.dolby.mlp': 'mlp',
  'audio/x-ape': 'ape',
  'audio/x-dff': 'dff',
  'audio/x-dsf': 'dsf',
  'audio/x-gsm': 'gsm',
  'audio/x-it': 'it',
  'audio/x-mod': 'mod',
  'audio/x-musepack': 'mp+ mpc',
  'audio/x-optimfrog': 'ofr ofs',
  'audio/x-shorten': 'shn',
  'audio/x-tak': 'tak',
  'audio/x-tta': 'tta',
  'audio/x-twinvq': 'vqf',
  'audio/x-voc': 'voc',
  'audio/x-w64': 'w64',
  'audio/x-wavpack': 'wv',
  'audio/x-xa': 'xa',
  'image/avif': 'avifs',
  'image/heif': 'hif',
  'image/jpeg': 'jfif',
  'image/qoi': 'qoi',
  'image/vnd.radiance': 'hdr',
  'image/x-canon-cr2': 'cr2',
  'image/x-canon-cr3': 'cr3',
  'image/x-canon-crw': 'crw',
  'image/x-exr': 'exr',
  'image/x-fuji-raf': 'raf',
  'image/x-nikon-nef': 'nef',
  'image/x-olympus-orf': 'orf',
  'image/x-panasonic-rw2': 'rw2',
  'image/x-pentax-pef': 'pef',
  'image/x-samsung-srw': 'srw',
  'image/x-sony-arw': 'arw',
  'text/plain': 'cue diz lrc nfo sbv',
  'text/x-ssa': 'ass ssa',
  'application/ttml+xml': 'dfxp',
  'application/vnd.amazon.ebook': 'azw3',
  'application/vnd.comicbook+zip': 'cbz',
  'application/vnd.comicbook-rar': 'cbr',
  'application/x-cb7': 'cb7',
  'application/x-cbt': 'cbt',
  'application/x-fictionbook+xml': 'fb2',
  'application/x-sami': 'sami smi',
}

const addedByEnding = new Map(
  Object.entries(added).flatMap(([type, endings]) => endings.split(' ').map(ending => [ending, type] as const)),
)

/** Text whose type does not begin with `text/`. */
const alsoText = new Set([
  'application/json',
  'application/vnd.apple.mpegurl',
  'application/x-sami',
  'application/x-subrip',
  'application/xml',
  'image/svg+xml',
])

/** What a browser would run as a page of this origin. */
const active = new Set(['text/html', 'application/xhtml+xml', 'application/xml', 'text/xml', 'image/svg+xml'])

/** The `Content-Type` of a file by the ending of its name; text is UTF-8, what is unknown is bytes. */
export function contentType(name: string): string {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase()
  if (ending === undefined) return 'application/octet-stream'
  const type = addedByEnding.get(ending) ?? (lookup(`.${ending}`) || 'application/octet-stream')
  return type.startsWith('text/') || alsoText.has(type) ? `${type}; charset=utf-8` : type
}

/** Whether a browser could take files of this `Content-Type` for a page that may do things. */
export function isActiveType(type: string): boolean {
  const bare = type.split(';', 1)[0]!
  return active.has(bare) || bare.endsWith('+xml')
}
