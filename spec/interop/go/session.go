package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// sessionOptions: the keep-alive is off when its interval is 0; sizes of 0 mean smux's defaults.
type sessionOptions struct {
	Address      string `json:"address"`
	Role         string `json:"role"`
	Version      int    `json:"version"`
	KeepAliveMs  int    `json:"keepAliveMs"`
	TimeoutMs    int    `json:"timeoutMs"`
	MaxFrameSize int    `json:"maxFrameSize"`
	StreamBuffer int    `json:"streamBuffer"`
}

// command is one line on stdin. Each runs by itself, so that a blocked one holds up nothing.
type command struct {
	ID     int    `json:"id"`
	Do     string `json:"do"`
	Stream uint32 `json:"stream"`
	Size   int    `json:"size"`
	Seed   uint32 `json:"seed"`
	Count  int    `json:"count"`
}

// result is one line on stdout. Error is empty when the command did all that it was asked for.
type result struct {
	ID     int    `json:"id"`
	Stream uint32 `json:"stream"`
	Bytes  int    `json:"bytes"`
	Sha256 string `json:"sha256"`
	Count  int    `json:"count"`
	Error  string `json:"error"`
}

func configOf(options sessionOptions) *smux.Config {
	config := smux.DefaultConfig()
	config.Version = options.Version
	config.KeepAliveDisabled = options.KeepAliveMs == 0
	if options.KeepAliveMs > 0 {
		config.KeepAliveInterval = time.Duration(options.KeepAliveMs) * time.Millisecond
		config.KeepAliveTimeout = time.Duration(options.TimeoutMs) * time.Millisecond
	}
	if options.MaxFrameSize > 0 {
		config.MaxFrameSize = options.MaxFrameSize
	}
	if options.StreamBuffer > 0 {
		config.MaxStreamBuffer = options.StreamBuffer
	}
	return config
}

func newSmux(conn io.ReadWriteCloser, role string, config *smux.Config) (*smux.Session, error) {
	if role == "client" {
		return smux.Client(conn, config)
	}
	return smux.Server(conn, config)
}

func runSession(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("session needs its options")
	}
	var options sessionOptions
	if err := json.Unmarshal([]byte(arguments[0]), &options); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", options.Address)
	if err != nil {
		return err
	}
	session, err := newSmux(conn, options.Role, configOf(options))
	if err != nil {
		return err
	}
	worker := &worker{session: session, streams: map[uint32]*smux.Stream{}}
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	var outputLock sync.Mutex
	for lines.Scan() {
		var next command
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			return err
		}
		go func() {
			done := worker.perform(next)
			done.ID = next.ID
			outputLock.Lock()
			defer outputLock.Unlock()
			_ = output.Encode(done)
		}()
	}
	return lines.Err()
}

type worker struct {
	session *smux.Session
	lock    sync.Mutex
	streams map[uint32]*smux.Stream
}

func (w *worker) keep(stream *smux.Stream, err error) result {
	if err != nil {
		return result{Error: err.Error()}
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.streams[stream.ID()] = stream
	return result{Stream: stream.ID()}
}

func (w *worker) stream(id uint32) *smux.Stream {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.streams[id]
}

func (w *worker) perform(next command) result {
	switch next.Do {
	case "open":
		return w.keep(w.session.OpenStream())
	case "accept":
		return w.keep(w.session.AcceptStream())
	case "count":
		return result{Count: w.session.NumStreams()}
	case "echo":
		return echoAll(w.session)
	case "churn":
		return churn(w.session, next)
	case "shut":
		return failed(result{}, w.session.Close())
	}
	stream := w.stream(next.Stream)
	if stream == nil {
		return result{Error: "no such stream"}
	}
	switch next.Do {
	case "write":
		return write(stream, next)
	case "read":
		return read(stream, next.Size)
	case "close":
		return failed(result{}, stream.Close())
	}
	return result{Error: "no such command"}
}

func failed(done result, err error) result {
	if err != nil {
		done.Error = err.Error()
	}
	return done
}

// write sends bytes of the pattern and says how many went and their hash.
func write(stream *smux.Stream, next command) result {
	state := pattern(next.Seed)
	hash := sha256.New()
	chunk := make([]byte, 64*1024)
	sent := 0
	for sent < next.Size {
		part := chunk
		if next.Size-sent < len(part) {
			part = part[:next.Size-sent]
		}
		state.fill(part)
		hash.Write(part)
		count, err := stream.Write(part)
		sent += count
		if err != nil {
			return result{Bytes: sent, Error: err.Error()}
		}
	}
	return result{Bytes: sent, Sha256: hex.EncodeToString(hash.Sum(nil))}
}

// read takes so many bytes, or with a negative size all up to the end of the stream.
func read(stream *smux.Stream, size int) result {
	hash := sha256.New()
	var source io.Reader = stream
	if size >= 0 {
		source = io.LimitReader(stream, int64(size))
	}
	// Without WriterTo, so that every read passes smux's window accounting for Read.
	count, err := io.Copy(hash, struct{ io.Reader }{source})
	return failed(result{Bytes: int(count), Sha256: hex.EncodeToString(hash.Sum(nil))}, err)
}

// echoAll answers every stream with what it says, as it says it, and closes it after its end. Ends with the session.
func echoAll(session *smux.Session) result {
	served := 0
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return result{Count: served, Error: err.Error()}
		}
		served++
		go func() {
			_, _ = io.Copy(struct{ io.Writer }{stream}, struct{ io.Reader }{stream})
			_ = stream.Close()
		}()
	}
}

// churn opens so many streams, 16 at a time; each says a little, wants it back, closes. Count: how many got it.
func churn(session *smux.Session, next command) result {
	const atOnce = 16
	work := make(chan int)
	good := make(chan bool)
	for index := 0; index < atOnce; index++ {
		go func() {
			for seed := range work {
				good <- exchange(session, patternOf(uint32(seed), next.Size))
			}
		}()
	}
	go func() {
		for index := 0; index < next.Count; index++ {
			work <- index + 1
		}
		close(work)
	}()
	count := 0
	for index := 0; index < next.Count; index++ {
		if <-good {
			count++
		}
	}
	return result{Count: count}
}

func exchange(session *smux.Session, said []byte) bool {
	stream, err := session.OpenStream()
	if err != nil {
		return false
	}
	defer stream.Close()
	if _, err := stream.Write(said); err != nil {
		return false
	}
	heard := make([]byte, len(said))
	_, err = io.ReadFull(stream, heard)
	return err == nil && string(heard) == string(said)
}
