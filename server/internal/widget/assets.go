package widget

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
)

// Assets is the path below which the files of this package are served, each set of them under its digest: they can be kept for
// ever, and modules that import each other are always of one set.
const Assets = "/widget/assets/"

//go:embed assets
var assetFiles embed.FS

// Digest is that of all files.
var Digest = digest()

func digest() string {
	sum := sha256.New()
	for _, name := range assetNames() {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // they are part of the binary
		}
		sum.Write([]byte(name))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func assetNames() (names []string) {
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		panic(err) // it is part of the binary
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Asset returns a file of this package with its type.
func Asset(name string) (content []byte, contentType string, ok bool) {
	content, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		return nil, "", false
	}
	switch path.Ext(name) {
	case ".css":
		return content, "text/css; charset=utf-8", true
	case ".js":
		return content, "text/javascript; charset=utf-8", true
	}
	return content, "application/octet-stream", true
}

// Loader is the script by which other pages embed a widget in a container, and SDK the one by which they do so with elements.
func Loader() []byte { return mustAsset("widget-loader.js") }

// SDK is the script that defines the elements.
func SDK() []byte { return mustAsset("widget-sdk.js") }

func mustAsset(name string) []byte {
	content, _, ok := Asset(name)
	if !ok {
		panic(name + " is not part of the binary")
	}
	return content
}
