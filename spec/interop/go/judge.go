package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"sort"
	"unsafe"

	"github.com/xtaci/smux"
)

// judgement says what smux made of one sequence of bytes.
//
//	end        all of it was read; a frame may have been announced of which nothing came
//	truncated  the bytes ended within a header or within data
//	rejected   ErrInvalidProtocol
type judgement struct {
	Verdict string        `json:"verdict"`
	Read    int           `json:"read"`
	Streams []streamState `json:"streams"`
}

type streamState struct {
	ID       uint32 `json:"id"`
	Bytes    int    `json:"bytes"`
	Sha256   string `json:"sha256"`
	Fin      bool   `json:"fin"`
	Consumed uint32 `json:"consumed"`
	Window   uint32 `json:"window"`
}

// replay is a connection on which nothing but these bytes arrives.
type replay struct {
	bytes []byte
	read  int
}

func (r *replay) Read(target []byte) (int, error) {
	if r.read == len(r.bytes) {
		return 0, io.EOF
	}
	count := copy(target, r.bytes[r.read:])
	r.read += count
	return count, nil
}
func (r *replay) Write(bytes []byte) (int, error) { return len(bytes), nil }
func (r *replay) Close() error                    { return nil }

// runJudge reads sequences from stdin, each as version (1 byte), role (1 byte: 'c' or 's'), length (u32 LE) and bytes, and
// writes one judgement a line.
func runJudge([]string) error {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	buffered := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer buffered.Flush()
	output := json.NewEncoder(buffered)
	for {
		var head [6]byte
		if _, err := io.ReadFull(input, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		bytes := make([]byte, binary.LittleEndian.Uint32(head[2:]))
		if _, err := io.ReadFull(input, bytes); err != nil {
			return err
		}
		judged, err := judge(int(head[0]), head[1] == 'c', bytes)
		if err != nil {
			return err
		}
		if err := output.Encode(judged); err != nil {
			return err
		}
		if input.Buffered() == 0 {
			if err := buffered.Flush(); err != nil {
				return err
			}
		}
	}
}

func judge(version int, client bool, bytes []byte) (judgement, error) {
	config := smux.DefaultConfig()
	config.Version = version
	config.KeepAliveDisabled = true
	config.MaxReceiveBuffer = 1 << 30
	conn := &replay{bytes: bytes}
	role := "server"
	if client {
		role = "client"
	}
	session, err := newSmux(conn, role, config)
	if err != nil {
		return judgement{}, err
	}
	defer session.Close()

	judged := judgement{Streams: []streamState{}}
	var streams []*smux.Stream
	// The error says that the receiving loop is over; it may come before streams that were accepted earlier.
	for judged.Verdict == "" {
		stream, err := session.AcceptStream()
		switch {
		case err == nil:
			streams = append(streams, stream)
		case errors.Is(err, smux.ErrInvalidProtocol):
			judged.Verdict = "rejected"
		case errors.Is(err, io.ErrUnexpectedEOF):
			judged.Verdict = "truncated"
		case errors.Is(err, io.EOF):
			judged.Verdict = "end"
		default:
			return judgement{}, err
		}
	}
	for len(streams) < session.NumStreams() {
		if stream, err := session.AcceptStream(); err == nil {
			streams = append(streams, stream)
		}
	}
	judged.Read = conn.read
	sort.Slice(streams, func(a, b int) bool { return streams[a].ID() < streams[b].ID() })
	for _, stream := range streams {
		judged.Streams = append(judged.Streams, stateOf(stream))
	}
	return judged, nil
}

// stateOf drains a stream to which nothing can come any more: the first error says that it is empty.
func stateOf(stream *smux.Stream) streamState {
	hash := sha256.New()
	count := 0
	buffer := make([]byte, 65536)
	for {
		read, err := stream.Read(buffer)
		hash.Write(buffer[:read])
		count += read
		if err != nil {
			break
		}
	}
	fields := reflect.ValueOf(stream).Elem()
	return streamState{
		ID:       stream.ID(),
		Bytes:    count,
		Sha256:   hex.EncodeToString(hash.Sum(nil)),
		Fin:      isClosed(fields.FieldByName("chFinEvent")),
		Consumed: uint32(fields.FieldByName("peerConsumed").Uint()),
		Window:   uint32(fields.FieldByName("peerWindow").Uint()),
	}
}

// isClosed looks at a channel that the package keeps to itself: what Read returns does not tell FIN from the end of the bytes.
func isClosed(field reflect.Value) bool {
	channel := *(*chan struct{})(unsafe.Pointer(field.UnsafeAddr()))
	select {
	case <-channel:
		return true
	default:
		return false
	}
}
