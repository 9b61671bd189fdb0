package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/webp"
)

var (
	red  = color.NRGBA{255, 0, 0, 255}
	blue = color.NRGBA{0, 0, 255, 255}
)

// flag is red on its left and blue on its right.
func flag(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			if x < width/2 {
				m.Set(x, y, red)
			} else {
				m.Set(x, y, blue)
			}
		}
	}
	return m
}

func pngOf(m image.Image) []byte {
	var data bytes.Buffer
	png.Encode(&data, m)
	return data.Bytes()
}

func jpegOf(m image.Image) []byte {
	var data bytes.Buffer
	jpeg.Encode(&data, m, &jpeg.Options{Quality: 95})
	return data.Bytes()
}

// exif says how an image is held, with what, and where on earth.
func exif(orientation int) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	entry := func(tag, kind uint16, count, value uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, kind)
		b = binary.LittleEndian.AppendUint32(b, count)
		b = binary.LittleEndian.AppendUint32(b, value)
	}
	const camera, gps = 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 10
	b = binary.LittleEndian.AppendUint16(b, 3)
	entry(0x010f, 2, 10, camera)
	entry(0x0112, 3, 1, uint32(orientation))
	entry(0x8825, 4, 1, gps)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, "SECRETCAM\x00"...)
	b = binary.LittleEndian.AppendUint16(b, 2)
	entry(1, 2, 2, uint32('N'))
	entry(2, 5, 3, gps+2+2*12+4)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, n := range []uint32{48, 1, 12, 1, 3141, 100} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return append(b, "GPS-HERE"...)
}

// withSegment puts a segment into a JPEG, before all others.
func withSegment(data []byte, marker byte, content []byte) []byte {
	segment := []byte{0xff, 0xd8, 0xff, marker}
	segment = binary.BigEndian.AppendUint16(segment, uint16(len(content)+2))
	return append(append(segment, content...), data[2:]...)
}

func pngChunk(kind string, content []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, kind...), content...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}

// withChunk puts a chunk into a PNG behind its first one.
func withChunk(data []byte, kind string, content []byte) []byte {
	const head = 8 + 25
	return append(append(bytes.Clone(data[:head]), pngChunk(kind, content)...), data[head:]...)
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rewrite(data []byte) ([]byte, error) {
	p, err := Look(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = p.Write(context.Background(), &out)
	return out.Bytes(), err
}

func rewritten(t *testing.T, data []byte) []byte {
	t.Helper()
	out, err := rewrite(data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNothingButPixelsIsKept(t *testing.T) {
	riff := func(data []byte, chunks ...string) []byte {
		for i := 0; i < len(chunks); i += 2 {
			data = appendChunk(data, chunks[i], []byte(chunks[i+1]))
		}
		binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
		return data
	}
	secret := string(exif(1))
	gifWithComment := func() []byte {
		var data bytes.Buffer
		gif.Encode(&data, flag(40, 20), nil)
		b := data.Bytes()
		comment := "!\xfe\x0aGPS-HERE!!\x00" // before the end
		return append(append(bytes.Clone(b[:len(b)-1]), comment...), b[len(b)-1])
	}
	html := "<script>alert('SECRETCAM')</script>"
	zip := "PK\x03\x04GPS-HERE"
	for name, data := range map[string][]byte{
		"a JPEG with a place":             withSegment(jpegOf(flag(40, 20)), 0xe1, []byte("Exif\x00\x00"+secret)),
		"a JPEG with XMP":                 withSegment(jpegOf(flag(40, 20)), 0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>GPS-HERE</x:xmpmeta>")),
		"a JPEG with a comment":           withSegment(jpegOf(flag(40, 20)), 0xfe, []byte(html)),
		"a JPEG with a page behind it":    append(jpegOf(flag(40, 20)), html...),
		"a PNG with an archive behind it": append(pngOf(flag(40, 20)), zip...),
		"a PNG with a page behind it":     append(pngOf(flag(40, 20)), html...),
		"a PNG with a text":               withChunk(pngOf(flag(40, 20)), "tEXt", []byte("Comment\x00GPS-HERE")),
		"a PNG with a place":              withChunk(pngOf(flag(40, 20)), "eXIf", []byte(secret)),
		"a PNG with a chunk of its own":   withChunk(pngOf(flag(40, 20)), "evIl", []byte(html)),
		"a GIF with a comment":            gifWithComment(),
		"a GIF with an archive behind it": append(gifWithComment(), zip...),
		"a WebP with a place":             riff(file(t, "lossy.webp"), "EXIF", secret),
		"a WebP with XMP":                 riff(file(t, "lossless.webp"), "XMP ", "GPS-HERE"),
		"a WebP with a chunk of its own":  riff(file(t, "lossy_alpha.webp"), "evIl", html),
		"an animated WebP with a place":   riff(file(t, "animated.webp"), "EXIF", secret, "XMP ", html),
		"a WebP with a page behind it":    append(file(t, "lossy.webp"), html...),
	} {
		t.Run(name, func(t *testing.T) {
			out := rewritten(t, data)
			for _, part := range []string{"SECRETCAM", "GPS-HERE", "Exif", "EXIF", "XMP", "script", "PK\x03\x04"} {
				if bytes.Contains(out, []byte(part)) {
					t.Errorf("it still has %q", part)
				}
			}
			again := rewritten(t, out) // and it is an image
			if strings.Contains(name, "WebP") && !bytes.Equal(again, out) {
				t.Error("it is another one the second time")
			}
		})
	}
}

func TestAPhotoThatWasHeldOnItsSideIsUpright(t *testing.T) {
	// Where the red half is then.
	for orientation, want := range map[int]string{1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom", 9: "left", 0: "left"} {
		out := rewritten(t, withSegment(jpegOf(flag(64, 32)), 0xe1, append([]byte("Exif\x00\x00"), exif(orientation)...)))
		m, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		size := m.Bounds().Size()
		side := map[bool]image.Point{true: {64, 32}, false: {32, 64}}[want == "left" || want == "right"]
		if size != side {
			t.Errorf("%d: got %v, want %v", orientation, size, side)
		}
		places := map[string]image.Point{"left": {4, 16}, "right": {60, 16}}
		if size.X < size.Y {
			places = map[string]image.Point{"top": {16, 4}, "bottom": {16, 60}}
		}
		for place, p := range places {
			if r, _, b, _ := m.At(p.X, p.Y).RGBA(); (r > b) != (place == want) {
				t.Errorf("%d: the %s is %v, and red should be the %s", orientation, place, m.At(p.X, p.Y), want)
			}
		}
	}
}

func TestAWebPSaysNothingButHowItIsHeld(t *testing.T) {
	data := appendChunk(file(t, "lossy.webp"), "EXIF", exif(6))
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
	out := rewritten(t, data)
	from := io.NewSectionReader(bytes.NewReader(out), 0, int64(len(out)))
	if f, err := lookWebP(from); err != nil || f.(*webpFormat).orientation != 6 {
		t.Errorf("got %+v (%v)", f, err)
	}
	if bytes.Contains(out, []byte("SECRETCAM")) || bytes.Contains(out, []byte("GPS-HERE")) {
		t.Error("it says more")
	}
	if _, err := webp.Decode(bytes.NewReader(out)); err != nil {
		t.Error(err)
	}
}

func TestEveryKindKeepsItsKindItsSizeAndItsColours(t *testing.T) {
	for name, data := range map[string][]byte{
		"png": pngOf(flag(40, 20)), "jpeg": jpegOf(flag(40, 20)), "progressive": file(t, "progressive.jpg"), "cmyk": file(t, "cmyk.jpg"),
		"gray": file(t, "gray.jpg"), "interlaced": file(t, "interlaced.png"), "deep": file(t, "deep.png"),
		"lossy": file(t, "lossy.webp"), "lossless": file(t, "lossless.webp"), "alpha": file(t, "lossy_alpha.webp"),
	} {
		out := rewritten(t, data)
		before, kind, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, kindAfter, err := image.Decode(bytes.NewReader(out))
		if err != nil || kindAfter != kind || after.Bounds() != before.Bounds() {
			t.Fatalf("%s: got %s %v (%v), want %s %v", name, kindAfter, after, err, kind, before.Bounds())
		}
		for _, at := range []image.Point{{2, 2}, {13, 6}} {
			r, g, b, a := before.At(at.X, at.Y).RGBA()
			r2, g2, b2, a2 := after.At(at.X, at.Y).RGBA()
			for i, pair := range [][2]uint32{{r, r2}, {g, g2}, {b, b2}, {a, a2}} {
				if d := int(pair[0]>>8) - int(pair[1]>>8); d > 12 || d < -12 {
					t.Errorf("%s: channel %d at %v was %d and is %d", name, i, at, pair[0]>>8, pair[1]>>8)
				}
			}
		}
	}
}

func animation(frames, width, height int) []byte {
	g := &gif.GIF{LoopCount: 3}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{red, blue, color.NRGBA{0, uint8(i), 0, 255}, color.NRGBA{}})
		m.SetColorIndex(0, 0, uint8(i%3))
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 7+i), append(g.Disposal, gif.DisposalBackground)
	}
	var data bytes.Buffer
	gif.EncodeAll(&data, g)
	return data.Bytes()
}

func TestAnAnimationStaysOne(t *testing.T) {
	g, err := gif.DecodeAll(bytes.NewReader(rewritten(t, animation(5, 30, 20))))
	if err != nil || len(g.Image) != 5 || g.LoopCount != 3 || g.Delay[4] != 11 || g.Disposal[2] != gif.DisposalBackground {
		t.Errorf("got %+v (%v)", g, err)
	}
	if g.Image[1].At(0, 0) != color.Color(color.RGBA{0, 0, 255, 255}) {
		t.Errorf("its second frame begins with %v", g.Image[1].At(0, 0))
	}
	out := rewritten(t, file(t, "animated.webp"))
	f, err := lookWebP(io.NewSectionReader(bytes.NewReader(out), 0, int64(len(out))))
	if err != nil || len(f.(*webpFormat).frames) != 3 {
		t.Errorf("got %+v (%v), want three frames", f, err)
	}
}

func TestWhatIsLargeWhenItIsDecodedIsRefusedByItsHeaders(t *testing.T) {
	header := func(width, height uint32, depth, kind, interlaced byte) []byte {
		content := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
		return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(content, depth, kind, 0, 0, interlaced))...)
	}
	frame := func(data []byte, width, height uint16) []byte {
		data = bytes.Clone(data)
		at := bytes.Index(data, []byte{0xff, 0xc0})
		if at < 0 {
			at = bytes.Index(data, []byte{0xff, 0xc2})
		}
		binary.BigEndian.PutUint16(data[at+5:], height)
		binary.BigEndian.PutUint16(data[at+7:], width)
		return data
	}
	scans := jpegOf(flag(8, 8))
	at := bytes.Index(scans, []byte{0xff, 0xda})
	scan := scans[at : len(scans)-2]
	for range MaxScans {
		scans = append(scans[:len(scans)-2:len(scans)-2], append(bytes.Clone(scan), 0xff, 0xd9)...)
	}
	wide := animation(1, 30, 20)
	wideFrame := bytes.LastIndex(wide, []byte{',', 0, 0, 0, 0})
	binary.LittleEndian.PutUint16(wide[wideFrame+5:], 9000)
	binary.LittleEndian.PutUint16(wide[wideFrame+7:], 9000)
	vp8 := file(t, "lossy.webp")
	binary.LittleEndian.PutUint32(vp8[20+6:], 16383|16383<<16)
	for name, data := range map[string][]byte{
		"a PNG of 1 GB":                header(16384, 16384, 8, 6, 0),
		"a PNG of 4096 by 4096":        header(4096, 4096, 8, 6, 0),
		"a deep PNG":                   header(3000, 3000, 16, 6, 0),
		"an interlaced PNG":            header(3000, 3000, 8, 6, 1),
		"a PNG wider than any":         header(1<<31-1, 1, 1, 3, 0),
		"a JPEG of a gigapixel":        frame(jpegOf(flag(40, 20)), 16384, 16384),
		"a progressive JPEG":           frame(file(t, "progressive.jpg"), 4000, 3000),
		"a JPEG of a hundred passes":   scans,
		"a GIF of a thousand frames":   animation(MaxFrames+1, 1, 1),
		"a GIF with a frame of 80 MB":  wide,
		"a WebP of 268 million pixels": vp8,
	} {
		var large *LargeError
		if _, err := rewrite(data); !errors.As(err, &large) {
			t.Errorf("%s: got %v, want a LargeError", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"a PNG of 12 megapixels":   header(4000, 3000, 8, 6, 0),
		"a photo of 12 megapixels": frame(jpegOf(flag(40, 20)), 4000, 3000),
		"a photo of 24 megapixels": frame(jpegOf(flag(40, 20)), 6000, 4000),
	} {
		if p, err := Look(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))); err != nil || p.Memory() > MaxMemory {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNoImageIsRefused(t *testing.T) {
	whole := map[string][]byte{
		"png": pngOf(flag(40, 20)), "jpeg": jpegOf(flag(40, 20)), "gif": animation(3, 30, 20), "progressive": file(t, "progressive.jpg"),
		"lossy": file(t, "lossy.webp"), "lossless": file(t, "lossless.webp"), "alpha": file(t, "lossy_alpha.webp"), "animated": file(t, "animated.webp"),
	}
	for name, data := range whole {
		for _, length := range []int{0, 3, 8, 12, 20, 30, len(data) / 2, len(data) - 12} {
			if _, err := rewrite(data[:min(length, len(data))]); !errors.Is(err, ErrBroken) {
				t.Errorf("%d bytes of %s: got %v, want ErrBroken", length, name, err)
			}
		}
	}
	for _, text := range []string{"", "GIF89a", "<svg/>", "BM", "RIFF\x04\x00\x00\x00WEBP", "RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff"} {
		if _, err := rewrite([]byte(text)); !errors.Is(err, ErrBroken) {
			t.Errorf("%q: got %v, want ErrBroken", text, err)
		}
	}
}

func TestAFailureToReadOrWriteIsNotTheFaultOfTheImage(t *testing.T) {
	data := pngOf(flag(40, 20))
	p, err := Look(io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	if err := p.Write(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := p.Write(gone, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzNoImageTakesMoreThanItSays(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(animation(3, 30, 20))
	f.Add(withSegment(jpegOf(flag(40, 20)), 0xe1, append([]byte("Exif\x00\x00"), exif(6)...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := rewrite(data)
		if err != nil {
			return
		}
		if _, err := rewrite(out); err != nil {
			t.Errorf("what was written is not read again: %v", err)
		}
	})
}
