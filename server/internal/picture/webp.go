package picture

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/bep/imagemeta"
	"golang.org/x/image/vp8"
)

func isWebP(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

// webpFormat is what the chunks of a WebP say.
type webpFormat struct {
	width, height int64
	extended      bool // it has a header of its own: alpha or an animation
	alpha         bool
	animation     []byte // its background and how often it is shown; nil: there is none
	frames        []webpFrame
	orientation   int
}

// A webpFrame is one image. The whole is one, or has several.
type webpFrame struct {
	head          []byte            // where and how long it is shown, in an animation
	alpha         *io.SectionReader // of a lossy image; nil: it has none
	kind          string            // VP8 or VP8L
	pixels        *io.SectionReader
	hasAlpha      bool
	width, height int64
}

// The flags of the extended header.
const (
	webpAnimated = 1 << 1
	webpEXIF     = 1 << 3
	webpAlpha    = 1 << 4
)

// lookWebP finds the chunks that hold pixels, and forgets the others.
func lookWebP(from *io.SectionReader) (format, error) {
	head, err := peek(from, 12)
	if err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(head[4:])) + 8
	if length < 12 || length > from.Size()+1 { // the byte that makes it even may be missing
		return nil, ErrBroken
	}
	f := &webpFormat{orientation: 1}
	var frame webpFrame
	err = chunks(io.NewSectionReader(from, 12, min(length, from.Size())-12), func(id string, content *io.SectionReader) (err error) {
		switch id {
		case "VP8X":
			return f.readHeader(content)
		case "ANIM":
			f.animation, err = peek(content, 6)
		case "ANMF":
			return f.readFrame(content)
		default:
			err = frame.read(id, content)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if f.animation == nil {
		f.frames = nil
		if frame.pixels != nil {
			f.frames = []webpFrame{frame}
		}
	}
	if len(f.frames) == 0 {
		return nil, ErrBroken
	}
	if !f.extended {
		f.width, f.height = frame.width, frame.height
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	f.orientation = orientationOf(from, imagemeta.WebP)
	return f, nil
}

// chunks calls take for each chunk. What is too short to be one ends them.
func chunks(data *io.SectionReader, take func(id string, content *io.SectionReader) error) error {
	for at := int64(0); at+8 <= data.Size(); {
		head, err := peek(io.NewSectionReader(data, at, 8), 8)
		if err != nil {
			return err
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		at += 8
		if length > data.Size()-at {
			return ErrBroken
		}
		if err := take(string(head[:4]), io.NewSectionReader(data, at, length)); err != nil {
			return err
		}
		at += length + length%2
	}
	return nil
}

// peek returns the first bytes of something.
func peek(from *io.SectionReader, length int) ([]byte, error) {
	head := make([]byte, length)
	n, err := from.ReadAt(head, 0)
	switch {
	case n == length:
		return head, nil
	case err == io.EOF:
		return nil, ErrBroken
	}
	return nil, &failure{err}
}

func (f *webpFormat) readHeader(content *io.SectionReader) error {
	head, err := peek(content, 10)
	if err != nil || f.extended {
		return cmp.Or(err, ErrBroken)
	}
	f.extended = true
	f.width, f.height = uint24(head[4:])+1, uint24(head[7:])+1
	return nil
}

func (f *webpFormat) readFrame(content *io.SectionReader) error {
	if len(f.frames) >= MaxFrames {
		return &LargeError{fmt.Sprintf("it may have %d frames", MaxFrames)}
	}
	head, err := peek(content, 16)
	if err != nil {
		return err
	}
	frame := webpFrame{head: head}
	if err := chunks(io.NewSectionReader(content, 16, content.Size()-16), frame.read); err != nil {
		return err
	}
	if frame.pixels == nil || uint24(head[6:])+1 != frame.width || uint24(head[9:])+1 != frame.height {
		return ErrBroken
	}
	f.frames = append(f.frames, frame)
	return nil
}

// read takes a chunk if it holds pixels.
func (f *webpFrame) read(id string, content *io.SectionReader) error {
	if f.pixels != nil { // the first counts
		return nil
	}
	switch id {
	case "ALPH":
		f.alpha, f.hasAlpha = content, true
	case "VP8 ":
		head, err := peek(content, 10)
		if err != nil || head[0]&1 != 0 || string(head[3:6]) != "\x9d\x01\x2a" {
			return cmp.Or(err, ErrBroken)
		}
		f.kind, f.pixels = id, content
		f.width = int64(binary.LittleEndian.Uint16(head[6:]) & 0x3fff)
		f.height = int64(binary.LittleEndian.Uint16(head[8:]) & 0x3fff)
	case "VP8L":
		head, err := peek(content, 5)
		if err != nil || head[0] != 0x2f {
			return cmp.Or(err, ErrBroken)
		}
		bits := binary.LittleEndian.Uint32(head[1:])
		f.kind, f.pixels, f.alpha, f.hasAlpha = id, content, nil, bits>>28&1 != 0
		f.width, f.height = int64(bits&0x3fff)+1, int64(bits>>14&0x3fff)+1
	}
	return nil
}

// maxWebPPixels is how many pixels all frames of a WebP may have: whoever shows them decodes them all.
const maxWebPPixels = 64 << 20

func (f *webpFormat) check() error {
	if err := checkSides(f.width, f.height); err != nil {
		return err
	}
	var pixels int64
	for _, frame := range f.frames {
		if err := checkSides(frame.width, frame.height); err != nil {
			return err
		}
		if frame.width > f.width || frame.height > f.height {
			return ErrBroken
		}
		if pixels += frame.width * frame.height; pixels > maxWebPPixels {
			return &LargeError{fmt.Sprintf("its frames may have %d million pixels together", maxWebPPixels>>20)}
		}
		f.alpha = f.alpha || frame.hasAlpha
	}
	if first := f.frames[0]; f.animation == nil && (first.width != f.width || first.height != f.height) {
		return ErrBroken
	}
	return nil
}

// memory is what its chunks take, twice while they are put together, and the frames that are decoded, of which one may wait
// to be collected.
func (f *webpFormat) memory() int64 {
	var largest, bytes int64
	for _, frame := range f.frames {
		bytes += 2 * frame.size()
		if frame.kind == "VP8 " {
			largest = max(largest, 2*(frame.width+16)*(frame.height+16))
		}
	}
	return bytes + 2*largest
}

// write makes sure that lossy pixels can be decoded. The lossless ones, and alpha, are taken as they are: to decode them may
// take hundreds of times the memory of the file (each block of pixels may have tables of its own), whatever their size.
func (f *webpFormat) write(to io.Writer, _ io.Reader) error {
	body, err := f.rewritten()
	if err != nil {
		return err
	}
	file := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(body)+4))...)
	if _, err := to.Write(append(file, "WEBP"...)); err != nil {
		return err
	}
	_, err = to.Write(body)
	return err
}

func (f *webpFormat) rewritten() (body []byte, err error) {
	first := f.frames[0]
	if f.animation != nil || first.alpha != nil || f.orientation != 1 {
		head := make([]byte, 10)
		if f.animation != nil {
			head[0] |= webpAnimated
		}
		if f.alpha {
			head[0] |= webpAlpha
		}
		if f.orientation != 1 {
			head[0] |= webpEXIF
		}
		putUint24(head[4:], f.width-1)
		putUint24(head[7:], f.height-1)
		body = appendChunk(body, "VP8X", head)
	}
	if f.animation != nil {
		body = appendChunk(body, "ANIM", f.animation)
	}
	for _, frame := range f.frames {
		chunks, err := frame.rewritten()
		if err != nil {
			return nil, err
		}
		if f.animation != nil {
			chunks = appendChunk(nil, "ANMF", append(frame.head, chunks...))
		}
		body = append(body, chunks...)
	}
	if f.orientation != 1 {
		body = appendChunk(body, "EXIF", exifOf(f.orientation))
	}
	return body, nil
}

func (f *webpFrame) size() int64 {
	if f.alpha == nil {
		return f.pixels.Size()
	}
	return f.alpha.Size() + f.pixels.Size()
}

// rewritten makes sure that lossy pixels can be decoded.
func (f *webpFrame) rewritten() (chunks []byte, err error) {
	if f.alpha != nil {
		alpha, err := peek(f.alpha, int(f.alpha.Size()))
		if err != nil {
			return nil, err
		}
		chunks = appendChunk(chunks, "ALPH", alpha)
	}
	pixels, err := peek(f.pixels, int(f.pixels.Size()))
	if err != nil {
		return nil, err
	}
	if f.kind == "VP8 " {
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(pixels), len(pixels))
		if _, err := d.DecodeFrameHeader(); err != nil {
			return nil, err
		}
		if _, err := d.DecodeFrame(); err != nil {
			return nil, err
		}
	}
	return appendChunk(chunks, f.kind, pixels), nil
}

func appendChunk(to []byte, id string, content []byte) []byte {
	to = binary.LittleEndian.AppendUint32(append(to, id...), uint32(len(content)))
	to = append(to, content...)
	if len(content)%2 != 0 {
		to = append(to, 0)
	}
	return to
}

// exifOf says how an image is held, and nothing else, for pixels that cannot be turned.
func exifOf(orientation int) []byte {
	exif := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[19] = byte(orientation)
	return exif
}

func uint24(b []byte) int64 { return int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 }

func putUint24(b []byte, n int64) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }
