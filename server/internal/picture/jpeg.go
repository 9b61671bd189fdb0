package picture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"github.com/bep/imagemeta"
)

func isJPEG(head []byte) bool {
	return len(head) > 2 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff
}

// quality is that of a photo on which nobody sees what was lost.
const quality = 90

// jpegFormat is what the markers of a JPEG say.
type jpegFormat struct {
	width, height int64
	components    []struct{ across, down int64 } // how many blocks each has in a unit
	progressive   bool
	converted     bool // its colours may have to be converted, into another image
	orientation   int  // as EXIF counts it, from 1
}

// The markers of JPEG that matter here.
const (
	startOfFrame       = 0xc0
	startOfFrame1      = 0xc1
	progressiveFrame   = 0xc2
	firstRestart       = 0xd0
	lastRestart        = 0xd7
	startOfImage       = 0xd8
	endOfImage         = 0xd9
	startOfScan        = 0xda
	adobeSegment       = 0xee
	adobeLength        = 12
	temporaryMarker    = 0x01
	bytesOfCoefficient = 4
)

func lookJPEG(from *io.SectionReader) (format, error) {
	f := &jpegFormat{}
	scans := 0
	r := bufio.NewReaderSize(from, 8<<10)
	for {
		marker, err := nextMarker(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if marker == startOfImage || marker == temporaryMarker || marker >= firstRestart && marker <= lastRestart {
			continue
		}
		if marker == endOfImage { // what follows is not looked at by a decoder either
			break
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			break // a decoder may have had enough
		}
		left := int(binary.BigEndian.Uint16(length[:])) - 2
		if left < 0 {
			return nil, ErrBroken
		}
		switch marker {
		case startOfFrame, startOfFrame1, progressiveFrame:
			if f.components != nil {
				return nil, ErrBroken
			}
			segment := make([]byte, left)
			if _, err := io.ReadFull(r, segment); err != nil {
				return nil, err
			}
			left = 0
			f.progressive = marker == progressiveFrame
			if err := f.readFrame(segment); err != nil {
				return nil, err
			}
		case adobeSegment:
			f.converted = true
		case startOfScan:
			if scans++; scans > MaxScans {
				return nil, &LargeError{fmt.Sprintf("it may have %d scans", MaxScans)}
			}
		}
		if _, err := r.Discard(left); err != nil {
			break
		}
	}
	if f.components == nil || scans == 0 {
		return nil, ErrBroken
	}
	f.orientation = orientationOf(from, imagemeta.JPEG)
	return f, nil
}

// nextMarker finds the next marker, over whatever is in between: pixels, or nothing.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		if _, err := r.ReadSlice(0xff); err == bufio.ErrBufferFull {
			continue
		} else if err != nil {
			return 0, err
		}
		marker, err := r.ReadByte()
		for err == nil && marker == 0xff { // padding
			marker, err = r.ReadByte()
		}
		if err != nil || marker != 0 { // 0: the byte 0xff among pixels
			return marker, err
		}
	}
}

func (f *jpegFormat) readFrame(segment []byte) error {
	if len(segment) < 6 || len(segment) != 6+3*int(segment[5]) {
		return ErrBroken
	}
	f.height, f.width = int64(binary.BigEndian.Uint16(segment[1:])), int64(binary.BigEndian.Uint16(segment[3:]))
	if err := checkSides(f.width, f.height); err != nil {
		return err
	}
	ids := ""
	for c := segment[6:]; len(c) > 0; c = c[3:] {
		ids += string(rune(c[0]))
		f.components = append(f.components, struct{ across, down int64 }{int64(c[1] >> 4), int64(c[1] & 15)})
	}
	f.converted = f.converted || ids == "RGB" || len(f.components) == 4
	if len(f.components) == 0 {
		return ErrBroken
	}
	return nil
}

func (f *jpegFormat) memory() int64 {
	across, down, blocks := int64(1), int64(1), int64(0)
	for _, c := range f.components {
		across, down = max(across, c.across), max(down, c.down)
		blocks += c.across * c.down
	}
	units := ((f.width + 8*across - 1) / (8 * across)) * ((f.height + 8*down - 1) / (8 * down))
	bytes := units * blocks * 64
	if f.progressive {
		bytes += units * blocks * 64 * bytesOfCoefficient
	}
	if f.converted {
		bytes += 4 * f.width * f.height
	}
	return bytes
}

func (f *jpegFormat) write(to io.Writer, from io.Reader) error {
	decoded, err := jpeg.Decode(from)
	if err != nil {
		return err
	}
	return jpeg.Encode(to, upright(decoded, f.orientation), &jpeg.Options{Quality: quality})
}

// orientationOf is how an image is held, as EXIF counts it: 1 is upright, and what is not known is taken for it.
func orientationOf(from *io.SectionReader, kind imagemeta.ImageFormat) int {
	orientation := 1
	_, _ = imagemeta.Decode(imagemeta.Options{ // what cannot be read says nothing
		R:            section(from),
		ImageFormat:  kind,
		Sources:      imagemeta.EXIF,
		LimitNumTags: 1000,
		LimitTagSize: 100,
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool {
			return tag.Namespace == "IFD0" && tag.Tag == "Orientation"
		},
		HandleTag: func(tag imagemeta.TagInfo) error {
			if value, ok := tag.Value.(uint16); ok && value >= 1 && value <= 8 {
				orientation = int(value)
			}
			return imagemeta.ErrStopWalking
		},
		Warnf: func(string, ...any) {},
	})
	return orientation
}

// A turned image shows the pixels of another one at other places. Nothing is copied.
type turned struct {
	image.Image
	orientation int
	right, low  int // the last column and row of the other one
}

func upright(m image.Image, orientation int) image.Image {
	if orientation == 1 {
		return m
	}
	return &turned{m, orientation, m.Bounds().Dx() - 1, m.Bounds().Dy() - 1}
}

func (t *turned) Bounds() image.Rectangle {
	if t.orientation >= 5 { // it lies on its side
		return image.Rect(0, 0, t.low+1, t.right+1)
	}
	return image.Rect(0, 0, t.right+1, t.low+1)
}

func (t *turned) At(x, y int) color.Color {
	switch t.orientation {
	case 2:
		x = t.right - x
	case 3:
		x, y = t.right-x, t.low-y
	case 4:
		y = t.low - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, t.low-x
	case 7:
		x, y = t.right-y, t.low-x
	case 8:
		x, y = t.right-y, x
	}
	least := t.Image.Bounds().Min
	return t.Image.At(least.X+x, least.Y+y)
}
