import { describe, expect, it } from '@jest/globals'
import { contentType, isActiveType } from '../../../src/adapters/share/media-type.js'

/** What VLC, mpv and Kodi open by its ending, and what cameras and readers write. */
const media = {
  'video/':
    '3g2 3gp 3gp2 3gpp 264 265 amv asf av1 avc avi bik divx drc dv dvr-ms evo f4v flv h264 h265 hevc ivf m1v m2t m2ts ' +
    'm2v m4v mk3d mkv mov mp2v mp4 mp4v mpe mpeg mpeg1 mpeg2 mpeg4 mpg mpv mts nsv nuv obu ogm ogv qt tod tp trp ts ' +
    'vob vro webm wm wmv wtv y4m',
  'audio/':
    '3ga a52 aa3 aac aax ac3 adt adts aif aifc aiff alac amr ape at3 au awb caf dff dsf dts dtshd eac3 ec3 flac gsm it ' +
    'kar m1a m4a m4b m4p m4r mid midi mka mlp mod mp+ mp1 mp2 mp3 mpa mpc mpga oga ofr ofs ogg oma opus qcp ra rmi s3m ' +
    'shn sid spx tak thd tta voc vqf w64 wav weba wma wv xa xm',
  'image/':
    'apng arw avif avifs bmp cr2 cr3 crw djvu dng exr gif hdr heic heif hif ico jfif jp2 jpe jpeg jpg jxl nef orf pef ' +
    'png psd qoi raf rw2 srw svg tga tif tiff webp',
  'text/': 'ass cue css csv diz html ics lrc md nfo sbv ssa txt vcf vtt',
  'application/':
    'azw azw3 cb7 cbr cbt cbz dfxp epub fb2 json m3u8 mobi mpd mxf pdf rm rmvb sami smi srt ttml xspf zip',
}

describe('contentType', () => {
  const endings = Object.entries(media).flatMap(([family, list]) => list.split(' ').map(ending => [ending, family]))

  it.each(endings)('%s is %s…', (ending, family) => {
    const type = contentType(`film.${ending}`)
    expect(type.startsWith(family)).toBe(true)
    expect(type).not.toBe('application/octet-stream')
    expect(contentType(`a.b.${ending.toUpperCase()}`)).toBe(type)
  })

  it.each(['', 'mp4', 'a.', '.', 'a.unheard-of', 'a.mp4.part', 'a.constructor', 'a.__proto__', 'a.mp4/b'])(
    '%j is bytes',
    name => {
      expect(contentType(name)).toBe('application/octet-stream')
    },
  )

  it('gives types that a header can carry, and says how text is encoded', () => {
    for (const [ending] of endings) {
      expect(contentType(`a.${ending}`)).toMatch(/^[a-z]+\/[\w.+-]+(; charset=utf-8)?$/)
    }
    expect(contentType('a.ass')).toBe('text/x-ssa; charset=utf-8')
    expect(contentType('a.srt')).toBe('application/x-subrip; charset=utf-8')
  })
})

describe('isActiveType', () => {
  it.each(['a.html', 'a.htm', 'a.xhtml', 'a.svg', 'a.xml', 'a.fb2', 'a.mathml', 'a.rss'])('%s is active', name => {
    expect(isActiveType(contentType(name))).toBe(true)
  })
  it.each(['a.mp4', 'a.txt', 'a.jpg', 'a.pdf', 'a.json', 'a'])('%s is not', name => {
    expect(isActiveType(contentType(name))).toBe(false)
  })
})
