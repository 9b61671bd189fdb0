package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strconv"
	"strings"
)

const maxImage = 5 << 20

// serverImages are the test cases of the tag servers about images.
var serverImages = []testCase{
	{"SERVERS-IMAGE-01", "getImage createServer", "an image is public, comes back with its kind and its size, and may be kept for an hour", func(s *session) {
		for kind, data := range images() {
			made := s.a.makesServer("Chess club", upload("image", "picture", kind, data))
			if made.image == "" {
				s.stop("a server that was made with an image (%s) shows none", kind)
			}
			s.a.get(made.path("")).expect(200).is("/body/image", made.image)

			shown := s.anonymous.get(made.image).expect(200)
			sent, _, err := image.DecodeConfig(bytes.NewReader(data))
			got, as, errGot := image.Decode(bytes.NewReader(shown.raw))
			if err == nil && (errGot != nil || "image/"+as != kind || got.Bounds().Size() != image.Pt(sent.Width, sent.Height)) {
				shown.fail("sends %d bytes that are no %s of %d by %d pixels", len(shown.raw), kind, sent.Width, sent.Height)
			}
			if again := s.anonymous.get(made.image).expect(200); !bytes.Equal(again.raw, shown.raw) {
				again.fail("sends other bytes than before")
			}
			shown.carries("Content-Type", kind)
			shown.carries("X-Content-Type-Options", "nosniff")
			shown.carries("Cache-Control", "public")
			if age := maxAge(shown.header.Get("Cache-Control")); age < 0 || age > 3600 || strings.Contains(shown.header.Get("Cache-Control"), "immutable") {
				shown.fail("the header Cache-Control is %q, want a max-age of an hour at most, and not immutable", shown.header.Get("Cache-Control"))
			}

			tag := shown.header.Get("ETag")
			if tag == "" {
				shown.stop("%s: the header ETag is missing", shown.what)
			}
			same := s.anonymous.with("If-None-Match", tag).get(made.image).expect(304)
			if same.header.Get("ETag") != tag {
				same.fail("the header ETag is %q, want %q again", same.header.Get("ETag"), tag)
			}
			s.anonymous.with("If-None-Match", `"another"`).get(made.image).expect(200)
		}
	}},

	{"SERVERS-IMAGE-02", "createServer getImage", "an image is taken by its content, whatever its name and declared type say", func(s *session) {
		for _, lie := range []part{
			upload("image", "page.html", "text/html", pngImage()),
			upload("image", "drawing.svg", "image/svg+xml", pngImage()),
			upload("image", "picture.jpg", "image/jpeg", pngImage()),
			upload("image", "noextension", "application/octet-stream", pngImage()),
			upload("image", "../../../etc/passwd", "", pngImage()),
		} {
			made := s.a.makesServer("Chess club", lie)
			s.anonymous.get(made.image).expect(200).carries("Content-Type", "image/png")
		}
		for _, content := range []string{
			"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>",
			`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
			`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`,
			"BM not one of the four", "%PDF-1.7", "just text", "",
		} {
			for _, kind := range []string{"image/png", "image/svg+xml", ""} {
				s.a.submit("POST", "/servers", field("name", "Chess club"), upload("image", "x.png", kind, []byte(content))).
					refuses("/image", "")
			}
		}
	}},

	{"SERVERS-IMAGE-03", "createServer", "an image may have 5 MiB and not one byte more", func(s *session) {
		s.a.makesServer("Chess club", upload("image", "large.png", "image/png", sized(maxImage)))
		for _, size := range []int{maxImage + 1, maxImage + 1<<20} {
			s.a.submit("POST", "/servers", field("name", "Chess club"), upload("image", "large.png", "image/png", sized(size))).
				expect(413)
		}
	}},

	{"SERVERS-IMAGE-05", "createServer getImage", "of an image nothing is kept but its pixels", func(s *session) {
		const secret = "SECRET-OF-THE-SENDER"
		for kind, data := range map[string][]byte{
			"image/png":  append(pngImage(), secret...),
			"image/gif":  append(gifImage(), secret...),
			"image/jpeg": withComment(jpegImage(), secret),
		} {
			made := s.a.makesServer("Chess club", upload("image", "picture", kind, data))
			if shown := s.anonymous.get(made.image).expect(200); bytes.Contains(shown.raw, []byte(secret)) {
				shown.fail("still has what was not pixels (%s)", kind)
			}
		}
	}},

	{"SERVERS-IMAGE-06", "createServer", "what is not a whole image, or is too large when it is decoded, is refused", func(s *session) {
		huge := pngImage()
		binary.BigEndian.PutUint32(huge[16:], 16384)
		binary.BigEndian.PutUint32(huge[20:], 16384)
		binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
		for what, data := range map[string][]byte{"half a PNG": pngImage()[:len(pngImage())/2], "half a JPEG": jpegImage()[:len(jpegImage())/2], "16384 by 16384": huge} {
			if a := s.a.submit("POST", "/servers", field("name", "Chess club"), upload("image", "x.png", "image/png", data)); a.status != 400 {
				a.fail("of %s: want 400", what)
			} else {
				a.refuses("/image", "")
			}
		}
	}},

	{"SERVERS-IMAGE-04", "getImage", "an image that was never there answers 404", func(s *session) {
		s.anonymous.get("/images/" + unknownID()).expect(404)
		s.a.get("/images/" + unknownID()).expect(404)
	}},
}

// images are one of each type that a server takes.
func images() map[string][]byte {
	// One pixel in lossless WebP: the standard library reads this format no more than it writes it.
	webp, _ := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	return map[string][]byte{"image/png": pngImage(), "image/jpeg": jpegImage(), "image/gif": gifImage(), "image/webp": webp}
}

func board() *image.Paletted {
	picture := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})
	for i := range picture.Pix {
		picture.Pix[i] = uint8((i + i/8) % 2)
	}
	return picture
}

// What encodes into a buffer does not fail.

func pngImage() []byte {
	var data bytes.Buffer
	_ = png.Encode(&data, board())
	return data.Bytes()
}

func jpegImage() []byte {
	var data bytes.Buffer
	_ = jpeg.Encode(&data, board(), nil)
	return data.Bytes()
}

func gifImage() []byte {
	var data bytes.Buffer
	_ = gif.Encode(&data, board(), nil)
	return data.Bytes()
}

// sized is a PNG of a given number of bytes; what follows its last chunk is padding.
func sized(size int) []byte {
	return append(pngImage(), make([]byte, size-len(pngImage()))...)
}

// maxAge is how many seconds a header Cache-Control lets an answer be kept; -1 if it does not say.
func maxAge(header string) int {
	for directive := range strings.SplitSeq(header, ",") {
		if seconds, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			if n, err := strconv.Atoi(seconds); err == nil {
				return n
			}
		}
	}
	return -1
}

// withComment is a JPEG that says something beside its pixels.
func withComment(data []byte, comment string) []byte {
	segment := []byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(len(comment) + 2)}
	return append(append(segment, comment...), data[2:]...)
}
