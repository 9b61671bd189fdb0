package picture

import (
	"bytes"
	"encoding/binary"
	"image/png"
	"io"
)

func isPNG(head []byte) bool { return bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")) }

// pngFormat is what the first chunk of a PNG says.
type pngFormat struct{ pixels, bytesEach int64 }

func lookPNG(from *io.SectionReader) (format, error) {
	head := make([]byte, 29)
	if _, err := from.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if string(head[12:16]) != "IHDR" {
		return nil, ErrBroken
	}
	width, height := int64(binary.BigEndian.Uint32(head[16:])), int64(binary.BigEndian.Uint32(head[20:]))
	if err := checkSides(width, height); err != nil {
		return nil, err
	}
	const (
		palette = 3
		deep    = 16
	)
	f := pngFormat{width * height, 4}
	switch depth, kind := head[24], head[25]; {
	case depth == deep:
		f.bytesEach = 8
	case kind == palette:
		f.bytesEach = 1
	}
	if head[28] != 0 { // interlaced: each pass is an image of its own
		f.bytesEach *= 2
	}
	return f, nil
}

func (f pngFormat) memory() int64 { return f.pixels * f.bytesEach }

// largePNG is how many pixels an image has that is not worth the time to press it more tightly.
const largePNG = 2 << 20

func (f pngFormat) write(to io.Writer, from io.Reader) error {
	decoded, err := png.Decode(from)
	if err != nil {
		return err
	}
	encoder := png.Encoder{}
	if f.pixels > largePNG {
		encoder.CompressionLevel = png.BestSpeed
	}
	return encoder.Encode(to, decoded)
}
