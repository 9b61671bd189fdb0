package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image/gif"
	"io"
)

func isGIF(head []byte) bool {
	return bytes.HasPrefix(head, []byte("GIF87a")) || bytes.HasPrefix(head, []byte("GIF89a"))
}

// gifFormat is what the blocks of a GIF say, all frames together.
type gifFormat struct{ frames, pixels int64 }

// What the blocks of a GIF begin with.
const (
	gifImage     = 0x2c
	gifExtension = 0x21
	gifEnd       = 0x3b
	gifTable     = 0x80 // there is a table of colours
	gifTableSize = 0x07
	// bytesOfTable is what the table of a frame takes once it is decoded.
	bytesOfTable = 8 << 10
)

func lookGIF(from *io.SectionReader) (format, error) {
	f := &gifFormat{}
	r := bufio.NewReaderSize(from, 8<<10)
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if err := checkSides(int64(binary.LittleEndian.Uint16(head[6:])), int64(binary.LittleEndian.Uint16(head[8:]))); err != nil {
		return nil, err
	}
	if err := skipTable(r, head[10]); err != nil {
		return nil, err
	}
	for {
		block, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch block {
		case gifEnd:
			if f.frames == 0 {
				return nil, ErrBroken
			}
			return f, nil
		case gifExtension:
			if _, err := r.Discard(1); err != nil {
				return nil, err
			}
		case gifImage:
			if err := f.readFrame(r); err != nil {
				return nil, err
			}
		default:
			return nil, ErrBroken
		}
		if err := skipBlocks(r); err != nil {
			return nil, err
		}
	}
}

func (f *gifFormat) readFrame(r *bufio.Reader) error {
	if f.frames++; f.frames > MaxFrames {
		return &LargeError{fmt.Sprintf("it may have %d frames", MaxFrames)}
	}
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	f.pixels += int64(binary.LittleEndian.Uint16(head[4:])) * int64(binary.LittleEndian.Uint16(head[6:]))
	if err := skipTable(r, head[8]); err != nil {
		return err
	}
	_, err := r.Discard(1) // how wide codes are
	return err
}

func skipTable(r *bufio.Reader, flags byte) error {
	if flags&gifTable == 0 {
		return nil
	}
	_, err := r.Discard(3 << (1 + flags&gifTableSize))
	return err
}

// skipBlocks skips data, which comes in pieces until an empty one.
func skipBlocks(r *bufio.Reader) error {
	for {
		length, err := r.ReadByte()
		if err != nil || length == 0 {
			return err
		}
		if _, err := r.Discard(int(length)); err != nil {
			return err
		}
	}
}

func (f *gifFormat) memory() int64 { return f.pixels + f.frames*bytesOfTable }

func (f *gifFormat) write(to io.Writer, from io.Reader) error {
	decoded, err := gif.DecodeAll(from)
	if err != nil {
		return err
	}
	if int64(len(decoded.Image)) > f.frames { // it was counted otherwise: nobody knows how large it is
		return ErrBroken
	}
	return gif.EncodeAll(to, decoded)
}
