// The other side of the interoperability specs: xtaci/smux behind a small command protocol.
//
//	interop session '{"address": …, "role": "client"|"server", "version": 1|2, …}'
//	        dials the address and runs one smux session over it; commands and results are JSON lines (session.go)
//	interop judge   reads byte sequences on stdin and says what smux makes of each (judge.go)
//	interop vectors prints the golden frames (vectors.go)
//
// Built in GOPATH mode with Debian's golang-github-xtaci-smux-dev; no module is downloaded.
package main

import (
	"fmt"
	"os"
)

func main() {
	run, known := map[string]func([]string) error{
		"session": runSession,
		"judge":   runJudge,
		"vectors": runVectors,
	}[argument(1)]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: interop session OPTIONS | judge | vectors")
		os.Exit(2)
	}
	if err := run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func argument(index int) string {
	if index < len(os.Args) {
		return os.Args[index]
	}
	return ""
}

// pattern fills a buffer with the bytes that both sides of the specs make from a seed (xorshift32), from where it stands.
type pattern uint32

func (p *pattern) fill(target []byte) {
	state := uint32(*p)
	for index := range target {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		target[index] = byte(state >> 8)
	}
	*p = pattern(state)
}

func patternOf(seed uint32, size int) []byte {
	bytes := make([]byte, size)
	state := pattern(seed)
	state.fill(bytes)
	return bytes
}
