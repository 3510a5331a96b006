package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// shownBytes: how much of a frame the vectors spell out; the rest is the pattern, and the hash covers all.
const shownBytes = 64

type frameVector struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	Command  string `json:"command"`
	StreamID uint32 `json:"streamId"`
	Size     int    `json:"size"`
	Seed     uint32 `json:"seed"`
	Bytes    int    `json:"bytes"`
	Hex      string `json:"hex"`
	Sha256   string `json:"sha256"`
}

// conversation holds all that both sides of one session put on the wire.
type conversation struct {
	Version int    `json:"version"`
	Script  string `json:"script"`
	Client  string `json:"client"`
	Server  string `json:"server"`
}

type vectors struct {
	Source        string         `json:"source"`
	Frames        []frameVector  `json:"frames"`
	Conversations []conversation `json:"conversations"`
}

// tap is a connection whose writes are kept.
type tap struct {
	net.Conn
	lock  sync.Mutex
	wrote []byte
}

func (t *tap) Write(bytes []byte) (int, error) {
	t.lock.Lock()
	t.wrote = append(t.wrote, bytes...)
	t.lock.Unlock()
	return t.Conn.Write(bytes)
}

func (t *tap) since(offset int) []byte {
	t.lock.Lock()
	defer t.lock.Unlock()
	return append([]byte{}, t.wrote[offset:]...)
}

type pair struct {
	client, server       *smux.Session
	clientTap, serverTap *tap
}

func newPair(config *smux.Config) (pair, error) {
	left, right := net.Pipe()
	clientTap, serverTap := &tap{Conn: left}, &tap{Conn: right}
	client, err := smux.Client(clientTap, config)
	if err != nil {
		return pair{}, err
	}
	server, err := smux.Server(serverTap, config)
	return pair{client, server, clientTap, serverTap}, err
}

func (p pair) close() {
	p.client.Close()
	p.server.Close()
}

func runVectors([]string) error {
	all := vectors{Source: "github.com/xtaci/smux 1.5.16"}
	for version := 1; version <= 2; version++ {
		frames, err := framesOf(version)
		if err != nil {
			return err
		}
		all.Frames = append(all.Frames, frames...)
		talk, err := converse(version)
		if err != nil {
			return err
		}
		all.Conversations = append(all.Conversations, talk)
	}
	output := json.NewEncoder(os.Stdout)
	output.SetIndent("", "  ")
	return output.Encode(all)
}

func vectorOf(name string, version int, command string, id uint32, size int, seed uint32, bytes []byte) frameVector {
	shown := bytes
	if len(shown) > shownBytes {
		shown = shown[:shownBytes]
	}
	sum := sha256.Sum256(bytes)
	return frameVector{name, version, command, id, size, seed, len(bytes), hex.EncodeToString(shown), hex.EncodeToString(sum[:])}
}

// framesOf makes one session say every kind of frame, one by one.
func framesOf(version int) ([]frameVector, error) {
	config := smux.DefaultConfig()
	config.Version = version
	config.KeepAliveDisabled = true
	config.MaxFrameSize = 65535
	pair, err := newPair(config)
	if err != nil {
		return nil, err
	}
	defer pair.close()
	stream, err := pair.client.OpenStream()
	if err != nil {
		return nil, err
	}
	remote, err := pair.server.AcceptStream()
	if err != nil {
		return nil, err
	}
	frames := []frameVector{vectorOf("SYN", version, "syn", stream.ID(), 0, 0, pair.clientTap.since(0))}
	for index, size := range []int{1, 16, 4095, 4096, 4097, 32768, 65535} {
		seed := uint32(index + 1)
		before, answered := len(pair.clientTap.since(0)), len(pair.serverTap.since(0))
		if _, err := stream.Write(patternOf(seed, size)); err != nil {
			return nil, err
		}
		frames = append(frames, vectorOf("PSH", version, "psh", stream.ID(), size, seed, pair.clientTap.since(before)))
		if _, err := io.ReadFull(remote, make([]byte, size)); err != nil {
			return nil, err
		}
		// Read returns after the update has been written: on the first read, and when half the buffer was consumed.
		if update := pair.serverTap.since(answered); len(update) > 0 {
			frames = append(frames, vectorOf("UPD", version, "upd", stream.ID(), 8, 0, update))
		}
	}
	before := len(pair.clientTap.since(0))
	if err := stream.Close(); err != nil {
		return nil, err
	}
	frames = append(frames, vectorOf("FIN", version, "fin", stream.ID(), 0, 0, pair.clientTap.since(before)))
	nop, err := keepAliveFrame(version)
	return append(frames, vectorOf("NOP", version, "nop", 0, 0, 0, nop)), err
}

// keepAliveFrame is the first thing that an idle session says.
func keepAliveFrame(version int) ([]byte, error) {
	config := smux.DefaultConfig()
	config.Version = version
	config.KeepAliveInterval = 10 * time.Millisecond
	left, right := net.Pipe()
	defer right.Close()
	session, err := smux.Client(left, config)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	frame := make([]byte, 8)
	_, err = io.ReadFull(right, frame)
	return frame, err
}

const script = "client opens, writes pattern(1) of 5 bytes, server reads them, writes pattern(2) of 6000, client reads them; " +
	"client opens a second one, writes pattern(3) of 4096, server reads them and closes; client closes both; server closes the first"

// converse has two streams talk by the script, one step after the other, with frames of at most 4,096 bytes as ours.
func converse(version int) (conversation, error) {
	config := smux.DefaultConfig()
	config.Version = version
	config.KeepAliveDisabled = true
	config.MaxFrameSize = 4096
	pair, err := newPair(config)
	if err != nil {
		return conversation{}, err
	}
	defer pair.close()
	var failure error
	try := func(err error) {
		if failure == nil {
			failure = err
		}
	}
	open := func() (*smux.Stream, *smux.Stream) {
		local, err := pair.client.OpenStream()
		try(err)
		remote, err := pair.server.AcceptStream()
		try(err)
		return local, remote
	}
	say := func(from, to *smux.Stream, seed uint32, size int) {
		_, err := from.Write(patternOf(seed, size))
		try(err)
		_, err = io.ReadFull(to, make([]byte, size))
		try(err)
	}
	first, firstRemote := open()
	say(first, firstRemote, 1, 5)
	say(firstRemote, first, 2, 6000)
	second, secondRemote := open()
	say(second, secondRemote, 3, 4096)
	try(secondRemote.Close())
	try(first.Close())
	try(second.Close())
	try(firstRemote.Close())
	return conversation{
		version, script,
		hex.EncodeToString(pair.clientTap.since(0)), hex.EncodeToString(pair.serverTap.since(0)),
	}, failure
}
