package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rejoin-dev/rejoin/server/internal/durable"
	"github.com/rejoin-dev/rejoin/server/internal/store"
)

// SecretFile is the name of the file in the data directory that has the secret key, if Config.SecretKey does not.
const SecretFile = "secret.key"

// A vault seals what the database must not tell by itself, such as the codes of vouchers: with a key that is not in the database.
type vault struct {
	key [sha256.Size]byte
	of  *core
}

// openVault finds the secret key: the configured one, or that of the file, which is made on the first run. Servers that share a database
// need the same one, and are told so before they seal anything.
func (k *core) openVault(ctx context.Context, config Config) error {
	file := filepath.Join(config.Data, SecretFile)
	text := config.SecretKey
	if text == "" {
		kept, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the secret key cannot be read: %w", err)
		}
		text = strings.TrimSpace(string(kept))
	}
	proof, err := k.store.Vouchers.Sealing(ctx)
	sealed := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case text == "" && sealed:
		return fmt.Errorf("what is sealed in the database does not open without its secret key: put back %s, or give the key as --secret-key or $REJOIN_SECRET_KEY", file)
	case text == "" && config.Database != "":
		return errors.New("all servers on a PostgreSQL database need one secret key: give it as --secret-key or $REJOIN_SECRET_KEY, 64 hexadecimal characters such as openssl rand -hex 32 prints, and keep a copy of it")
	case text == "":
		if text, err = k.makeKey(file); err != nil {
			return fmt.Errorf("the secret key cannot be kept: %w", err)
		}
	}
	k.vault.of = k
	if k.vault.key, err = keyOf(text); err != nil {
		return fmt.Errorf("the secret key, of --secret-key, $REJOIN_SECRET_KEY or %s, %w", file, err)
	}
	if sealed && proof != k.vault.proof() {
		return fmt.Errorf("the secret key is not the one with which things are sealed in the database: give that one as --secret-key or $REJOIN_SECRET_KEY, or put back %s", file)
	}
	return nil
}

// HasSealed tells whether something is sealed in the database, which is served with its secret key only.
func (s *Server) HasSealed(ctx context.Context) (bool, error) {
	_, err := s.store.Vouchers.Sealing(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// makeKey makes a key, and a file of it that nobody else reads. An empty one is there if an earlier one was never written.
func (k *core) makeKey(file string) (text string, err error) {
	key, err := k.secret(sha256.Size)
	if err != nil {
		return "", err
	}
	text = hex.EncodeToString(key)
	err = durable.Write(file, func(w io.Writer) error {
		_, err := io.WriteString(w, text+"\n")
		return err
	})
	return text, err
}

func keyOf(text string) (key [sha256.Size]byte, err error) {
	bytes, err := hex.DecodeString(text)
	if err != nil || len(bytes) != len(key) {
		return key, errors.New("must have 64 hexadecimal characters")
	}
	return [sha256.Size]byte(bytes), nil
}

// proof tells whether a key is this one, and nothing else of it.
func (v vault) proof() string { return hex.EncodeToString(derived(v.key, "proof")) }

// secretOf is the secret of one thing, with which nothing of another one opens.
func (v vault) secretOf(thing string) [sha256.Size]byte {
	return [sha256.Size]byte(derived(v.key, "seals "+thing))
}

// seal seals a text of a thing.
func (v vault) seal(thing, text string) (string, error) {
	return sealed(v.secretOf(thing), []byte(text), v.of)
}

// open opens what seal has sealed.
func (v vault) open(thing, sealed string) (string, error) {
	text, err := unsealed(v.secretOf(thing), sealed)
	return string(text), err
}

// hash is the same for the same text of a thing, and tells nothing of it to who has not the key.
func (v vault) hash(thing, text string) string {
	return hex.EncodeToString(derived(v.secretOf(thing), "hash ", []byte(text)...))
}

// begin is the step before anything is sealed. It fails where something was sealed with another key.
func (v vault) begin(ctx context.Context, tx *store.Tx) error {
	same, err := tx.Vouchers.Seals(ctx, v.proof())
	if err == nil && !same {
		err = errors.New("another server on this database has another secret key: stop this one, and give it the same")
	}
	return err
}
