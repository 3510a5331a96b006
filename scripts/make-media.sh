#!/bin/sh
# Makes the demo's samples in media/ from ffmpeg's own test sources. Needs ffmpeg with libx264, and nothing else:
# the same ffmpeg makes the same bytes. The text and the subtitles are written by hand and are not touched.
set -eu
cd "$(dirname "$0")/../media"

quiet='-hide_banner -loglevel error -y'
# No dates, no encoder's name: made again, the files stay the same.
plain='-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact'

# Eight seconds, 640 x 360; the index in front, so that a player starts before the end has arrived; a key frame every
# second, so that it can jump.
# shellcheck disable=SC2086
ffmpeg $quiet -f lavfi -i testsrc2=size=640x360:rate=24:duration=8 -f lavfi -i sine=frequency=440:beep_factor=4:duration=8 \
  -c:v libx264 -threads 1 -preset slow -crf 30 -pix_fmt yuv420p -g 24 -c:a aac -b:a 64k $plain -movflags +faststart 'Test film.mp4'

# Ten seconds of a chord that swells.
# shellcheck disable=SC2086
ffmpeg $quiet -f lavfi -i "aevalsrc=0.2*(sin(2*PI*220*t)+sin(2*PI*277.18*t)+sin(2*PI*329.63*t))*(0.6+0.4*sin(2*PI*0.5*t)):s=44100:d=10" \
  -c:a libmp3lame -b:a 64k $plain -id3v2_version 3 Chord.mp3

mkdir -p Pictures
# shellcheck disable=SC2086
ffmpeg $quiet -f lavfi -i smptehdbars=size=960x540 -frames:v 1 $plain 'Pictures/Colour bars.png'
# shellcheck disable=SC2086
ffmpeg $quiet -f lavfi -i mandelbrot=size=960x540 -frames:v 1 -q:v 4 $plain 'Pictures/Mandelbrot.jpg'
