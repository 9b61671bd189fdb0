package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
)

// A Sealed is an encrypted body, each part of it in base64.
type Sealed struct {
	IV, Data, Tag string
}

// Open decrypts a body with a key of 32 characters. Whatever is wrong, it is not good; a padding that is wrong costs no other time than
// one that is right, if whoever calls reads what is there in either case, and then asks whether it is good. Otherwise who may try often
// enough reads what was encrypted by cbc.
func (s Sealed) Open(mode, key string) (plain []byte, good bool) {
	iv, badIV := base64.StdEncoding.DecodeString(s.IV)
	data, badData := base64.StdEncoding.DecodeString(s.Data)
	tag, badTag := base64.StdEncoding.DecodeString(s.Tag)
	block, err := aes.NewCipher([]byte(key))
	if badIV != nil || badData != nil || badTag != nil || err != nil || len(key) != 32 {
		return nil, false
	}
	switch mode {
	case "gcm":
		return openGCM(block, iv, data, tag)
	case "cbc":
		return openCBC(block, iv, data, tag)
	}
	return nil, false
}

func openGCM(block cipher.Block, iv, data, tag []byte) ([]byte, bool) {
	box, err := cipher.NewGCM(block)
	if err != nil || len(iv) != box.NonceSize() || len(tag) != box.Overhead() {
		return nil, false
	}
	plain, err := box.Open(nil, iv, append(data, tag...), nil)
	return plain, err == nil
}

func openCBC(block cipher.Block, iv, data, tag []byte) ([]byte, bool) {
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 || len(tag) != 0 {
		return nil, false
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
	end := len(data)
	pad := int(data[end-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		outside := 1 - subtle.ConstantTimeLessOrEq(i, pad)
		good &= outside | subtle.ConstantTimeByteEq(data[end-i], byte(pad))
	}
	return data[:end-subtle.ConstantTimeSelect(good, pad, 0)], good == 1
}
