// Carries Ethernet frames between two interfaces, late, and loses some: what netem does where the kernel has it.
//
//	impair DELAY LOSS SEED A:B...   DELAY as Go writes it (20ms) and LOSS (0.005), of each direction between A and B
//
// Says "ready" on stdout and runs until stdin ends. Frames do not overtake each other. Linux only.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What package syscall lacks of <linux/if_packet.h>.
const (
	packetVnetHdr        = 15
	packetIgnoreOutgoing = 23
)

// Frames of one direction that wait at a time; more are lost, as in a router. A tenth of a second of 16 MB/s.
const maxWaiting = 1024

// A frame with the kernel's notes on its checksum in front, which the kernel wants back.
const maxFrameBytes = 10 + 65536

type frame struct {
	due   time.Time
	bytes []byte
}

func open(name string) (int, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	all := uint16(syscall.ETH_P_ALL>>8 | syscall.ETH_P_ALL&0xff<<8)
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, int(all))
	if err != nil {
		return 0, err
	}
	for _, option := range []int{packetVnetHdr, packetIgnoreOutgoing} {
		if err := syscall.SetsockoptInt(socket, syscall.SOL_PACKET, option, 1); err != nil {
			return 0, err
		}
	}
	// What comes while the program has no turn: some thousand frames.
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20); err != nil {
		return 0, err
	}
	return socket, syscall.Bind(socket, &syscall.SockaddrLinklayer{Protocol: all, Ifindex: device.Index})
}

func receive(socket int, delay time.Duration, loss float64, chance *rand.Rand, queue chan<- frame) {
	buffer := make([]byte, maxFrameBytes)
	for {
		size, err := syscall.Read(socket, buffer)
		if err == syscall.EINTR || err == syscall.ENETDOWN {
			continue
		}
		if err != nil {
			fail(err)
		}
		if chance.Float64() < loss {
			continue
		}
		select {
		case queue <- frame{time.Now().Add(delay), append([]byte(nil), buffer[:size]...)}:
		default:
		}
	}
}

func send(socket int, queue <-chan frame) {
	for next := range queue {
		time.Sleep(time.Until(next.due))
		// An interface that is down, or whose queue is full, loses it.
		_, _ = syscall.Write(socket, next.bytes)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "impair:", err)
	os.Exit(1)
}

func main() {
	if len(os.Args) < 5 {
		fail(fmt.Errorf("usage: impair DELAY LOSS SEED A:B..."))
	}
	delay, err := time.ParseDuration(os.Args[1])
	if err != nil {
		fail(err)
	}
	loss, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		fail(err)
	}
	seed, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fail(err)
	}
	for _, pair := range os.Args[4:] {
		a, b, _ := strings.Cut(pair, ":")
		sockets := [2]int{}
		for at, name := range []string{a, b} {
			if sockets[at], err = open(name); err != nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		}
		for at := range sockets {
			seed++
			queue := make(chan frame, maxWaiting)
			go receive(sockets[at], delay, loss, rand.New(rand.NewSource(seed)), queue)
			go send(sockets[1-at], queue)
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
